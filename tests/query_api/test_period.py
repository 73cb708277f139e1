"""From parameters to a range of instants, its granularity and the range before."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from query_api.errors import InvalidParametersError
from query_api.period import Period, granularity_of, previous_range, resolve_period
from query_api.zones import DAY_S


def _utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


_NOW = _utc("2026-11-22T19:40:19")


@pytest.mark.parametrize(
    ("time_range", "zone", "start"),
    [
        ("7d", "UTC", "2026-11-16T00:00"),
        ("30d", "UTC", "2026-10-24T00:00"),
        ("90d", "UTC", "2026-08-25T00:00"),
        ("1y", "UTC", "2025-11-23T00:00"),
        (None, "UTC", "2026-10-24T00:00"),
        # 01:25 on the 23rd there: the seventh day back begins on the 17th, 00:00 +05:45.
        ("7d", "Asia/Kathmandu", "2026-11-16T18:15"),
        ("7d", "America/St_Johns", "2026-11-16T03:30"),
        # Summer time began and ended in between: midnight of then has the offset of then.
        ("30d", "Europe/London", "2026-10-23T23:00"),
    ],
)
def test_a_named_range_is_local_days_up_to_now(
    time_range: str | None, zone: str, start: str
) -> None:
    period = resolve_period(time_range, None, None, zone, _NOW)  # type: ignore[arg-type]
    assert period.start == _utc(start)
    assert period.end == _utc("2026-11-22T19:45")
    assert period.time_range == (time_range or "30d")


def test_just_after_midnight_today_is_one_bucket() -> None:
    period = resolve_period("7d", None, None, "UTC", _utc("2026-11-22T00:00"))
    assert (period.start, period.end) == (_utc("2026-11-16T00:00"), _utc("2026-11-22T00:15"))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:15:00Z"),
        ("2026-01-01t00:00:00z", "2026-01-02T00:00:00.000Z"),
        ("2026-01-01T05:45:00+05:45", "2026-01-02T05:45:00+05:45"),
        ("2025-12-31T20:30:00-03:30", "2026-01-02T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "2027-02-05T00:00:00Z"),
    ],
)
def test_an_explicit_range(start: str, end: str) -> None:
    period = resolve_period(None, start, end, "Asia/Tokyo", _NOW)
    assert period.start == _utc("2026-01-01T00:00")
    assert (period.time_range, period.days) == ("custom", None)


@pytest.mark.parametrize(
    ("time_range", "start", "end", "zone", "parameter", "detail"),
    [
        ("7d", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "UTC", "time_range", "goes without"),
        ("7d", "2026-01-01T00:00:00Z", None, "UTC", "time_range", "start and end"),
        (None, "2026-01-01T00:00:00Z", None, "UTC", "end", "end is missing"),
        (None, None, "2026-01-01T00:00:00Z", "UTC", "start", "start is missing"),
        (None, "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "UTC", "end", "after start"),
        (None, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "UTC", "end", "after start"),
        (None, "2026-01-01T00:00:00Z", "2027-02-05T00:15:00Z", "UTC", "end", "at most 400 days"),
        (None, "2026-01-01T00:10:00Z", "2026-01-02T00:00:00Z", "UTC", "start", "15-minute"),
        (None, "2026-01-01T00:00:00.5Z", "2026-01-02T00:00:00Z", "UTC", "start", "15-minute"),
        (None, "2026-01-01T00:00:00", "2026-01-02T00:00:00Z", "UTC", "start", "with an offset"),
        (None, "2026-01-01", "2026-01-02T00:00:00Z", "UTC", "start", "RFC 3339"),
        (None, "1767225600", "2026-01-02T00:00:00Z", "UTC", "start", "RFC 3339"),
        (None, "2026-01-01 00:00:00Z", "2026-01-02T00:00:00Z", "UTC", "start", "RFC 3339"),
        (None, "2026-01-01T00:00:00 05:45", "2026-01-02T00:00:00Z", "UTC", "start", "%2B"),
        (None, "2026-02-30T00:00:00Z", "2026-03-02T00:00:00Z", "UTC", "start", "not a date"),
        (None, "2026-01-01T24:00:00Z", "2026-03-02T00:00:00Z", "UTC", "start", "not a date"),
        (None, "1999-12-31T23:45:00Z", "2000-01-02T00:00:00Z", "UTC", "start", "2000 to 2099"),
        (None, "0001-01-01T00:00:00+14:00", "2000-01-02T00:00:00Z", "UTC", "start", "2000|not a"),
        (None, "2099-01-01T00:00:00Z", "2100-01-01T00:15:00Z", "UTC", "end", "2000 to 2099"),
        (None, "२०२६-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "UTC", "start", "RFC 3339"),
        ("7d", None, None, "Mars/Olympus", "timezone", "not an IANA time zone"),
        ("7d", None, None, "../UTC", "timezone", "not an IANA time zone"),
    ],
)
def test_what_cannot_be_answered_names_the_parameter_and_the_limit(
    time_range: str | None,
    start: str | None,
    end: str | None,
    zone: str,
    parameter: str,
    detail: str,
) -> None:
    with pytest.raises(InvalidParametersError, match=detail) as caught:
        resolve_period(time_range, start, end, zone, _NOW)  # type: ignore[arg-type]
    assert [error.parameter for error in caught.value.errors] == [parameter]


def test_both_ends_are_reported_at_once() -> None:
    with pytest.raises(InvalidParametersError) as caught:
        resolve_period(None, "x", "y", "UTC", _NOW)
    assert [error.parameter for error in caught.value.errors] == ["start", "end"]


def _period(start: str, end: str, zone: str = "UTC", days: int | None = None) -> Period:
    return Period("", _utc(start), _utc(end), ZoneInfo(zone), days)


@pytest.mark.parametrize(
    ("period", "granularity"),
    [
        (_period("2026-01-01T00:00", "2026-01-01T00:15"), "15min"),
        (_period("2026-01-01T00:00", "2026-01-02T00:00"), "15min"),
        (_period("2026-01-01T00:00", "2026-01-02T00:15"), "hour"),
        (_period("2026-01-01T00:00", "2026-01-08T00:00"), "hour"),
        (_period("2026-01-01T00:00", "2026-01-08T00:15"), "day"),
        # A local day of 25 and one of 23 hours, and a week that holds the longer one.
        (_period("2026-10-24T23:00", "2026-10-26T00:00", "Europe/London"), "15min"),
        (_period("2026-03-29T00:00", "2026-03-29T23:15", "Europe/London"), "hour"),
        (_period("2026-10-20T23:00", "2026-10-28T00:00", "Europe/London"), "hour"),
    ],
)
def test_granularity_follows_local_days(period: Period, granularity: str) -> None:
    assert granularity_of(period) == granularity


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        (_period("2026-11-16T00:00", "2026-11-22T19:45", days=7), "2026-11-09T00:00",
         "2026-11-15T19:45"),
        (_period("2026-11-16T10:00", "2026-11-16T12:00"), "2026-11-16T08:00", "2026-11-16T10:00"),
        # Named: by the wall clock (25 hours back over the change); explicit: by the length.
        (_period("2026-10-25T00:00", "2026-10-31T19:45", "Europe/London", 7), "2026-10-18T00:00",
         "2026-10-24T18:45"),
        (_period("2026-10-25T00:00", "2026-10-26T00:00", "Europe/London"), "2026-10-24T00:00",
         "2026-10-25T00:00"),
    ],
)  # fmt: skip
def test_the_previous_range(period: Period, start: str, end: str) -> None:
    assert previous_range(period, _NOW, 400) == (_utc(start), _utc(end))


def test_no_previous_range_beyond_retention() -> None:
    year = resolve_period("1y", None, None, "UTC", _NOW)
    assert previous_range(year, _NOW, 400) is None
    assert previous_range(year, _NOW, 800) is not None
    old = Period("custom", _NOW - 300 * DAY_S, _NOW - 200 * DAY_S, ZoneInfo("UTC"))
    assert previous_range(old, _NOW, 400) == (_NOW - 400 * DAY_S, _NOW - 300 * DAY_S)
    assert previous_range(old, _NOW, 399) is None
