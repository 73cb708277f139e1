"""What a question covers: from query parameters to a range of instants; contract section 4.

Pure: the present is an argument. Times are seconds since the Unix epoch, ranges are half-open
and begin and end on 15-minute boundaries.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from query_api.errors import InvalidParametersError, invalid
from query_api.zones import BUCKET_S, DAY_S, HOUR_S, day_start, local_date, shift_days, zone_of
from schemas.api.problems import FieldError
from schemas.api.usage import Granularity

TimeRange = Literal["7d", "30d", "90d", "1y"]
DAYS: dict[TimeRange, int] = {"7d": 7, "30d": 30, "90d": 90, "1y": 365}
DEFAULT_RANGE: TimeRange = "30d"
MAX_DAYS = 400
# Where every zone's offset is a multiple of 15 minutes and ClickHouse's DateTime reaches.
EARLIEST, LATEST = 946_684_800, 4_102_444_800

WIDTH_S: dict[Granularity, int] = {"15min": BUCKET_S, "hour": HOUR_S, "day": DAY_S}

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


@dataclass(frozen=True)
class Period:
    """[start, end) in `zone`; `days` counts local days when the range was named, else None."""

    time_range: str
    start: int
    end: int
    zone: ZoneInfo
    days: int | None = None


def resolve_period(
    time_range: TimeRange | None, start: str | None, end: str | None, timezone: str, now: float
) -> Period:
    """The period that a request means at `now`; raises `InvalidParametersError`."""
    zone = requested_zone(timezone)
    if start is None and end is None:
        return _named(time_range or DEFAULT_RANGE, zone, now)
    if time_range is not None:
        raise invalid("time_range", "time_range goes without start and end")
    if start is None or end is None:
        missing = "start" if start is None else "end"
        raise invalid(missing, f"{missing} is missing: start and end go together")
    return _explicit(start, end, zone)


def requested_zone(timezone: str) -> ZoneInfo:
    """The zone of an IANA name; raises `InvalidParametersError`."""
    try:
        return zone_of(timezone)
    except ValueError as error:
        raise invalid("timezone", f"timezone: {error}") from None


def _named(time_range: TimeRange, zone: ZoneInfo, now: float) -> Period:
    """N local calendar days up to the next bucket boundary, today included."""
    days = DAYS[time_range]
    first_day = local_date(zone, int(now)) - timedelta(days=days - 1)
    end = int(now // BUCKET_S + 1) * BUCKET_S
    return Period(time_range, day_start(zone, first_day), end, zone, days)


def _explicit(start: str, end: str, zone: ZoneInfo) -> Period:
    bounds: dict[str, int] = {}
    faults: list[FieldError] = []
    for name, text in (("start", start), ("end", end)):
        try:
            bounds[name] = _boundary(text)
        except ValueError as error:
            faults.append(FieldError(parameter=name, detail=f"{name} {error}"))
    if faults:
        raise InvalidParametersError(*faults)
    if bounds["end"] <= bounds["start"]:
        raise invalid("end", "end must be after start")
    if bounds["end"] - bounds["start"] > MAX_DAYS * DAY_S:
        raise invalid("end", f"end must be at most {MAX_DAYS} days after start")
    return Period("custom", bounds["start"], bounds["end"], zone)


def instant_ms(parameter: str, text: str) -> int:
    """An RFC 3339 instant as epoch ms, cut off; raises `InvalidParametersError`."""
    try:
        return int(_instant(text).timestamp() * 1000)
    except ValueError as error:
        raise invalid(parameter, f"{parameter} {error}") from None


def _boundary(text: str) -> int:
    """An RFC 3339 instant on a 15-minute boundary; raises ValueError saying what is wrong."""
    second = _instant(text).timestamp()
    if second % BUCKET_S:
        raise ValueError("must be on a 15-minute boundary")
    return int(second)


def _instant(text: str) -> datetime:
    if not _RFC_3339.fullmatch(text):
        hint = "; write + as %2B in a URL" if " " in text else ""
        raise ValueError(f"must be RFC 3339 with an offset, as 2026-01-31T00:00:00Z{hint}")
    try:
        moment = datetime.fromisoformat(text.upper())
        second = moment.timestamp()
    except (ValueError, OverflowError):
        raise ValueError("is not a date and time that exists") from None
    if not EARLIEST <= second <= LATEST:
        raise ValueError("must lie in the years 2000 to 2099")
    return moment


def previous_range(period: Period, now: float, retention_days: int) -> tuple[int, int] | None:
    """The range just before of the same length, or None where it begins beyond retention."""
    if period.days is None:
        length = period.end - period.start
        start, end = period.start - length, period.end - length
    else:
        start = shift_days(period.zone, period.start, -period.days)
        end = shift_days(period.zone, period.end, -period.days)
    return (start, end) if start >= now - retention_days * DAY_S else None


def granularity_of(period: Period) -> Granularity:
    """Points of 15 minutes up to one local day, of an hour up to seven, else of a local day."""
    if period.end <= shift_days(period.zone, period.start, 1):
        return "15min"
    return "hour" if period.end <= shift_days(period.zone, period.start, 7) else "day"
