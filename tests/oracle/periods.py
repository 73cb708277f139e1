"""What a question covers: range, previous period, points; contract section 4.

Everything walks over 15-minute buckets one by one and asks the zone for each: slow and plain.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

BUCKET_S = 900
DAYS = {"7d": 7, "30d": 30, "90d": 90, "1y": 365}
RETENTION_DAYS = 400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Question:
    """[start, end) in epoch seconds, asked at `now` (epoch seconds) in a time zone.

    `time_range` is `custom` for a range with explicit ends. `data_as_of_ms` is the answer's,
    None where it is null.
    """

    time_range: str
    start: int
    end: int
    timezone: str
    now: float
    data_as_of_ms: int | None


def named(time_range: str, timezone: str, now: float, data_as_of_ms: int | None) -> Question:
    """N local calendar days, today included, up to the next 15-minute boundary."""
    zone = ZoneInfo(timezone)
    day = datetime.fromtimestamp(now, zone).date() - timedelta(days=DAYS[time_range] - 1)
    start = _seconds(datetime(day.year, day.month, day.day, tzinfo=zone))
    end = (int(now) // BUCKET_S + 1) * BUCKET_S
    return Question(time_range, start, end, timezone, now, data_as_of_ms)


def between(start: int, end: int, timezone: str, now: float, data_as_of_ms: int | None) -> Question:
    """An explicit range of epoch seconds."""
    return Question("custom", start, end, timezone, now, data_as_of_ms)


def previous(question: Question) -> tuple[int, int] | None:
    """Both ends moved back by the local days, or by the length; None beyond retention."""
    if question.time_range in DAYS:
        days = DAYS[question.time_range]
        moved = (
            days_later(question.start, -days, question.timezone),
            days_later(question.end, -days, question.timezone),
        )
    else:
        length = question.end - question.start
        moved = (question.start - length, question.end - length)
    return moved if moved[0] >= question.now - RETENTION_DAYS * 86_400 else None


def days_later(second: int, days: int, timezone: str) -> int:
    """The instant with the same wall-clock time so many local days later."""
    zone = ZoneInfo(timezone)
    wall = datetime.fromtimestamp(second, zone).replace(tzinfo=None) + timedelta(days=days)
    return _seconds(wall.replace(tzinfo=zone))


def _seconds(moment: datetime) -> int:
    elapsed = moment.astimezone(UTC) - _EPOCH
    return elapsed.days * 86_400 + elapsed.seconds


def granularity(question: Question) -> str:
    """15 min up to one local day, hour up to seven, else day."""
    for days, name in ((1, "15min"), (7, "hour")):
        if question.end <= days_later(question.start, days, question.timezone):
            return name
    return "day"


@lru_cache(maxsize=64)
def point_starts(start: int, end: int, timezone: str, granularity: str) -> tuple[int, ...]:
    """Where each point begins, in order: at the range's start or where the local quarter of an
    hour, hour or day changes. An hour that the clock repeats is two points."""
    if granularity == "15min":
        return tuple(range(start, end, BUCKET_S))
    starts, last = [], None
    for second in range(start, end, BUCKET_S):
        here = _day_hour_offset(second, timezone)[: 1 if granularity == "day" else 3]
        if here != last:
            starts.append(second)
        last = here
    return tuple(starts)


@lru_cache(maxsize=1 << 20)
def _day_hour_offset(bucket: int, timezone: str) -> tuple[date, int, timedelta | None]:
    local = datetime.fromtimestamp(bucket, ZoneInfo(timezone))
    return local.date(), local.hour, local.utcoffset()


def point_of(second: int, starts: tuple[int, ...]) -> int:
    """The start of the point that an instant falls into."""
    return starts[bisect_right(starts, second) - 1]


@lru_cache(maxsize=1 << 20)
def hour_and_weekday(bucket: int, timezone: str) -> tuple[int, int]:
    """Local hour and weekday (Monday 0) of a bucket's start in epoch seconds."""
    local = datetime.fromtimestamp(bucket, ZoneInfo(timezone))
    return local.hour, local.weekday()


def local_day(ms: int, timezone: str) -> str:
    """The local calendar day of an instant, as `2026-01-31`."""
    return str(datetime.fromtimestamp(ms // 1000, ZoneInfo(timezone)).date())
