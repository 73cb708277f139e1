"""Local time as arithmetic: a zone over a range of time is a few stretches of constant offset.

ClickHouse and Python may carry different releases of the IANA database, so SQL is given these
stretches and adds integers; the zone is interpreted here only. Times are seconds since the Unix
epoch, ranges are half-open.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

BUCKET_S = 900
HOUR_S = 3600
DAY_S = 86_400
FOREVER = 2**32 - 1
"""Later than any bucket: where a range ends that has no end."""


@cache
def zone_names() -> frozenset[str]:
    """Every IANA name that this process knows."""
    return frozenset(available_timezones())


def zone_of(name: str) -> ZoneInfo:
    """The zone of an IANA name; raises ValueError.

    Membership is looked up first, so that a name like `../../etc/passwd` never reaches a file.
    """
    if name not in zone_names():
        raise ValueError(f"{name[:64]!r} is not an IANA time zone")
    return ZoneInfo(name)


def offset_at(zone: ZoneInfo, second: int) -> int:
    """Seconds to add to UTC to get local time at an instant."""
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def day_start(zone: ZoneInfo, day: date) -> int:
    """The first instant of a local day (where midnight is skipped, the end of the gap)."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def local_date(zone: ZoneInfo, second: int) -> date:
    """The local calendar day of an instant."""
    return datetime.fromtimestamp(second, zone).date()


def shift_days(zone: ZoneInfo, second: int, days: int) -> int:
    """The instant whose wall clock shows the same time, `days` local days away."""
    local = datetime.fromtimestamp(second, zone).replace(fold=0)
    return int((local + timedelta(days=days)).timestamp())


@dataclass(frozen=True)
class LocalClock:
    """A zone over [start, end): `starts[i]` is where the constant offset `offsets[i]` begins."""

    zone: ZoneInfo
    start: int
    end: int
    starts: tuple[int, ...]
    offsets: tuple[int, ...]

    def local(self, second: int) -> int:
        """Local wall-clock time as seconds, as if the zone were UTC."""
        return second + self.offsets[max(0, bisect_right(self.starts, second) - 1)]

    def slots(self, width_s: int) -> list[int]:
        """The starts of the local intervals of `width_s` (900, 3600 or 86400) in the range.

        An interval ends where the offset changes, so an hour that is repeated is two slots. The
        SQL questions compute the same from `starts` and `offsets`.
        """
        found: list[int] = []
        for begin, offset, end in zip(
            self.starts, self.offsets, (*self.starts[1:], self.end), strict=True
        ):
            found.append(begin)
            first = begin - (begin + offset) % width_s + width_s
            found.extend(range(first, end, width_s))
        return found

    def moment(self, second: int) -> datetime:
        """An instant for an answer: local time with its offset."""
        return datetime.fromtimestamp(second, self.zone)


@lru_cache(maxsize=4096)
def clock_over(zone: ZoneInfo, start: int, end: int) -> LocalClock:
    """The stretches of constant offset of `zone` in [start, end).

    Looked for day by day: no zone changes its offset twice within a day.
    """
    starts, offsets = [start], [offset_at(zone, start)]
    for day in range(start, end, DAY_S):
        until = min(day + DAY_S, end - 1)
        if (offset := offset_at(zone, until)) != offsets[-1]:
            starts.append(_first_instant_of(zone, offset, day, until))
            offsets.append(offset)
    return LocalClock(zone, start, end, tuple(starts), tuple(offsets))


def _first_instant_of(zone: ZoneInfo, offset: int, before: int, at: int) -> int:
    """Bisects to the bucket in (before, at] where `offset` begins; both ends are aligned."""
    low, high = before // BUCKET_S, -(-at // BUCKET_S)
    while high - low > 1:
        middle = (low + high) // 2
        if offset_at(zone, middle * BUCKET_S) == offset:
            high = middle
        else:
            low = middle
    return high * BUCKET_S


def utc(second: float) -> datetime:
    """An instant as an aware datetime in UTC."""
    return datetime.fromtimestamp(second, UTC)
