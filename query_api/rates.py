"""Which rates are in force and how old they are: a check of `/readyz`, and two metrics.

A fetch that fails leaves the card in force, so it never makes the API unready, only degraded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from query_api import questions
from query_api.errors import UnavailableError
from query_api.metrics import Metrics
from query_api.questions import Asker, Row
from query_api.settings import ApiSettings
from query_api.zones import HOUR_S
from schemas.api.health import Check
from schemas.rates import bundled_card

_MINUTE_S = 60
_DAY_S = 24 * HOUR_S
_PATIENCE_S = 3.0


class RateWatch:
    """Asks for the row of `rate_card_updates` whenever readiness is asked for."""

    def __init__(
        self, asker: Asker, settings: ApiSettings, metrics: Metrics, clock: Callable[[], float]
    ) -> None:
        self._asker = asker
        self._stale_hours = settings.rates_stale_hours
        self._metrics = metrics
        self._clock = clock

    async def check(self) -> Check:
        """The check of the rates; never raises."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                (row,) = await questions.rate_card_updates(self._asker)
        except (TimeoutError, UnavailableError):
            detail = "not checked: ClickHouse did not answer"
            return Check(name="rates", status="unknown", detail=detail)
        note_rates(row, self._metrics)
        return rates_check(row, self._clock(), self._stale_hours)


def rates_check(row: Row, now: float, stale_hours: int) -> Check:
    """From the row of `rate_card_updates`: source and age of the rates, and the last failure."""
    in_force = _in_force(row, now)
    tried_s, fetched_s = row["tried_ms"] / 1000, row["fetched_ms"] / 1000
    if not tried_s:
        return Check(name="rates", status="ok", detail=in_force)
    if row["outcome"] != "ok":
        failure = f"the fetch of prices {_ago(now - tried_s)} ago failed ({row['detail']})"
        return Check(name="rates", status="degraded", detail=f"{failure}; in force: {in_force}")
    if now - fetched_s > stale_hours * HOUR_S:
        detail = f"{in_force}, older than {stale_hours} h: does `rates fetch` still run?"
        return Check(name="rates", status="degraded", detail=detail)
    return Check(name="rates", status="ok", detail=in_force)


def note_rates(row: Row, metrics: Metrics) -> None:
    """The same as metrics."""
    metrics.rates_fetched.set(row["fetched_ms"] / 1000)
    metrics.rates_fetch_failed.set(bool(row["tried_ms"]) and row["outcome"] != "ok")


def _in_force(row: Row, now: float) -> str:
    fetched_s, loaded_s = row["fetched_ms"] / 1000, row["loaded_ms"] / 1000
    parts = []
    if fetched_s:
        parts.append(f"Twilio's prices of {_ago(now - fetched_s)} ago")
    if loaded_s:
        parts.append(f"a card loaded {_ago(now - loaded_s)} ago")
    if not parts:
        since = max(rate.valid_from for rate in bundled_card().rates)[:10]
        return f"the bundled card of sample prices, dated {since}"
    # Of two rates for the same messages the later one counts.
    return " over ".join(parts if fetched_s >= loaded_s else reversed(parts))


def _ago(seconds: float) -> str:
    seconds = max(0.0, seconds)
    if seconds < 2 * HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / HOUR_S:.0f} h" if seconds < 2 * _DAY_S else f"{seconds / _DAY_S:.0f} days"
