"""What `/readyz` says of the rates: their source and age, and the last failure."""

from __future__ import annotations

from typing import Any

import pytest

from query_api.metrics import Metrics
from query_api.rates import note_rates, rates_check

_NOW = 1_772_366_400.0
_HOUR_MS = 3_600_000


def _row(
    loaded: float | None = None,
    fetched: float | None = None,
    tried: float | None = None,
    outcome: str = "ok",
    detail: str = "",
) -> dict[str, Any]:
    """The row of updates so many hours ago; None for never."""

    def at(hours: float | None) -> int:
        return 0 if hours is None else int(_NOW * 1000 - hours * _HOUR_MS)

    return {
        "loaded_ms": at(loaded),
        "fetched_ms": at(fetched),
        "tried_ms": at(fetched if tried is None else tried),
        "outcome": outcome,
        "detail": detail,
    }


@pytest.mark.parametrize(
    ("row", "status", "detail"),
    [
        (_row(), "ok", "the bundled card of sample prices, dated 2024-01-01"),
        (_row(loaded=1.5), "ok", "a card loaded 90 min ago"),
        (_row(fetched=3), "ok", "Twilio's prices of 3 h ago"),
        (
            _row(loaded=50, fetched=3),
            "ok",
            "Twilio's prices of 3 h ago over a card loaded 2 days ago",
        ),
        (_row(loaded=2, fetched=3), "ok", "a card loaded 2 h ago over Twilio's prices of 3 h ago"),
        (_row(fetched=72), "ok", "Twilio's prices of 3 days ago"),
        (
            _row(fetched=73),
            "degraded",
            "Twilio's prices of 3 days ago, older than 72 h: does `rates fetch` still run?",
        ),
        (
            _row(tried=0.5, outcome="failed", detail="401"),
            "degraded",
            "the fetch of prices 30 min ago failed (401); in force: the bundled card of sample "
            "prices, dated 2024-01-01",
        ),
        (
            _row(fetched=26, tried=2, outcome="partial", detail="DE: 500"),
            "degraded",
            "the fetch of prices 2 h ago failed (DE: 500); in force: Twilio's prices of 26 h ago",
        ),
    ],
)
def test_rates(row: dict[str, Any], status: str, detail: str) -> None:
    check = rates_check(row, _NOW, 72)
    assert (check.status, check.detail) == (status, detail)


def test_metrics() -> None:
    metrics = Metrics()

    def values() -> tuple[float | None, float | None]:
        sample = metrics.registry.get_sample_value
        return (
            sample("sms_api_rates_fetched_timestamp_seconds"),
            sample("sms_api_rates_fetch_failed"),
        )

    note_rates(_row(), metrics)
    assert values() == (0, 0)
    note_rates(_row(fetched=1), metrics)
    assert values() == (_NOW - 3600, 0)
    note_rates(_row(fetched=1, tried=0, outcome="partial"), metrics)
    assert values() == (_NOW - 3600, 1)
