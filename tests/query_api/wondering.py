"""Seeded random questions: ranges, zones, filters, as query parameters and as the oracle's."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracle import periods
from tests.oracle.logs import Filter
from tests.oracle.periods import BUCKET_S, Question

DAY_S = 86_400
ZONES = (
    "UTC",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Europe/London",
    "America/Los_Angeles",
    "Africa/Casablanca",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
)
_NAMED = ("7d", "30d", "90d", "1y")
_LENGTHS_S = (BUCKET_S, 3_600, DAY_S, 2 * DAY_S, 8 * DAY_S, 40 * DAY_S, 200 * DAY_S, 400 * DAY_S)
_PAST_S, _FUTURE_S = 385 * DAY_S, 20 * DAY_S


class Wondering:
    """Draws questions that are asked at `now`, of answers as of `as_of_ms`."""

    def __init__(self, seed: int, now: float, as_of_ms: int) -> None:
        self.dice = random.Random(seed)
        self._now, self._as_of_ms = now, as_of_ms

    def range(self) -> tuple[dict[str, str], Question]:
        """A named range, one around a change of clocks, or any other; in any zone."""
        zone = self.dice.choice(ZONES)
        kind = self.dice.random()
        if kind < 0.4:
            name = self.dice.choice(_NAMED)
            asked = {"time_range": name, "timezone": zone}
            return asked, periods.named(name, zone, self._now, self._as_of_ms)
        start, end = self._around_a_change(zone) if kind < 0.6 else self._anywhere()
        asked = {"start": self._text(start), "end": self._text(end), "timezone": zone}
        return asked, periods.between(start, end, zone, self._now, self._as_of_ms)

    def days(self) -> tuple[dict[str, str], int, int]:
        """Whole UTC days, and where they begin and end."""
        midnight = int(self._now) // DAY_S * DAY_S + DAY_S
        if self.dice.random() < 0.4:
            name = self.dice.choice(_NAMED)
            return {"time_range": name}, midnight - periods.DAYS[name] * DAY_S, midnight
        start = midnight - self.dice.randrange(1, 380) * DAY_S
        end = start + self.dice.choice((1, 7, 31, 100)) * DAY_S
        return {"start": self._text(start), "end": self._text(end)}, start, end

    def filter(self, statuses: list[str], countries: list[str], codes: list[int]) -> Filter:
        """Which messages of a log, by up to six conditions."""

        def perhaps(choices: Any, likely: float = 0.35) -> Any:
            return self.dice.choice(choices) if self.dice.random() < likely else None

        now_ms = int(self._now * 1000)
        since = perhaps(range(380 * 24), 0.4)
        length = perhaps(range(1, 200 * 24), 0.4)
        from_ms = None if since is None else now_ms - since * 3_600_000
        to_ms = None if length is None else (from_ms or now_ms - 380 * DAY_S * 1000)
        return Filter(
            direction=perhaps(("inbound", "outbound")),
            status=perhaps(statuses),
            country=perhaps(countries),
            error_code=perhaps(codes, 0.15),
            from_ms=from_ms,
            to_ms=None if to_ms is None or length is None else to_ms + length * 3_600_000,
        )

    def _around_a_change(self, zone: str) -> tuple[int, int]:
        changes = _changes(zone, int(self._now) // 3_600 * 3_600)
        if not changes:
            return self._anywhere()
        change = self.dice.choice(changes)
        before, after = (self.dice.choice((1, 4, 30, 96, 800)) * BUCKET_S for _ in range(2))
        return change - before, change + after

    def _anywhere(self) -> tuple[int, int]:
        """Mostly in the past, sometimes beyond now."""
        latest = int(self._now) + (_FUTURE_S if self.dice.random() < 0.2 else 0)
        end = self.dice.randrange(int(self._now) - _PAST_S, latest) // BUCKET_S * BUCKET_S
        if self.dice.random() < 0.2:
            end = (int(self._now) + _FUTURE_S) // BUCKET_S * BUCKET_S
        longest = self.dice.choice(_LENGTHS_S)
        return end - self.dice.randrange(BUCKET_S, longest + 1, BUCKET_S), end

    def _text(self, second: int) -> str:
        """RFC 3339, at times with another offset."""
        zone = self.dice.choice((UTC, ZoneInfo("Asia/Kathmandu")))
        return datetime.fromtimestamp(second, zone).isoformat().replace("+00:00", "Z")


def _changes(zone: str, until: int) -> list[int]:
    """The instants of the last year at which a zone's offset changed."""
    found, last = [], None
    for second in range(until - 365 * DAY_S, until, 1800):
        offset = datetime.fromtimestamp(second, ZoneInfo(zone)).utcoffset()
        if last not in (None, offset):
            found.append(second)
        last = offset
    return found


def parameters_of(wanted: Filter) -> dict[str, Any]:
    """A filter as query parameters of the usage log."""
    named = {"direction", "status", "country", "error_code"}
    asked = {name: value for name in named if (value := getattr(wanted, name)) is not None}
    for name in ("from", "to"):
        if (ms := getattr(wanted, f"{name}_ms")) is not None:
            moment = datetime.fromtimestamp(ms / 1000, UTC)
            asked[name] = moment.isoformat(timespec="milliseconds")
    return asked
