"""Ranges, previous periods and points, across changes of the clock."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.oracle import periods


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


NOW = at("2026-11-22T19:40:29Z")


@pytest.mark.parametrize(
    ("time_range", "timezone", "now", "start", "end"),
    [
        ("7d", "UTC", NOW, "2026-11-16T00:00Z", "2026-11-22T19:45Z"),
        ("7d", "UTC", at("2026-11-22T19:45Z"), "2026-11-16T00:00Z", "2026-11-22T20:00Z"),
        ("30d", "Asia/Kathmandu", NOW, "2026-10-24T18:15Z", "2026-11-22T19:45Z"),
        ("30d", "America/St_Johns", NOW, "2026-10-24T02:30Z", "2026-11-22T19:45Z"),
        ("1y", "UTC", NOW, "2025-11-23T00:00Z", "2026-11-22T19:45Z"),
    ],
)
def test_named_ranges_begin_at_local_midnight(
    time_range: str, timezone: str, now: int, start: str, end: str
) -> None:
    question = periods.named(time_range, timezone, now, None)
    assert (question.start, question.end) == (at(start), at(end))


def test_previous_period_moves_by_local_days() -> None:
    # New York leaves daylight-saving time on 2026-11-01: the days before are an hour ahead in UTC.
    question = periods.named("30d", "America/New_York", NOW, None)
    assert question.start == at("2026-10-24T00:00-04:00")
    assert periods.previous(question) == (
        at("2026-09-24T00:00-04:00"),
        at("2026-10-23T14:45-04:00"),
    )


def test_previous_of_an_explicit_range_is_as_long() -> None:
    question = periods.between(NOW - 7_200, NOW, "UTC", NOW, None)
    assert periods.previous(question) == (NOW - 14_400, NOW - 7_200)


def test_there_is_no_previous_period_beyond_retention() -> None:
    assert periods.previous(periods.named("1y", "UTC", NOW, None)) is None
    day = 86_400
    assert periods.previous(periods.between(NOW - 200 * day, NOW, "UTC", NOW, None)) is not None
    assert periods.previous(periods.between(NOW - 201 * day, NOW, "UTC", NOW, None)) is None


@pytest.mark.parametrize(
    ("start", "hours", "timezone", "granularity", "number", "first_minutes"),
    [
        ("2026-11-20T00:00Z", 24, "UTC", "15min", 96, 15),
        ("2026-11-20T00:00Z", 24.25, "UTC", "hour", 25, 60),
        ("2026-11-20T00:00Z", 168, "UTC", "hour", 168, 60),
        ("2026-11-20T00:00Z", 168.25, "UTC", "day", 8, 1440),
        # Local hours and days of +05:45 begin at a quarter past.
        ("2026-11-20T00:00Z", 48, "Asia/Kathmandu", "hour", 49, 15),
        ("2026-11-10T00:00Z", 240, "Asia/Kathmandu", "day", 11, 18 * 60 + 15),
        # 2026-03-29 has 23 hours in Berlin, 2026-10-25 has 25, one of them twice.
        ("2026-03-29T00:00+01:00", 23, "Europe/Berlin", "15min", 92, 15),
        ("2026-10-25T00:00+02:00", 25, "Europe/Berlin", "15min", 100, 15),
        ("2026-10-24T00:00+02:00", 49, "Europe/Berlin", "hour", 49, 60),
        ("2026-10-20T00:00+02:00", 241, "Europe/Berlin", "day", 10, 1440),
    ],
)
def test_points(
    start: str, hours: float, timezone: str, granularity: str, number: int, first_minutes: int
) -> None:
    begin, end = at(start), at(start) + int(hours * 3600)
    assert periods.granularity(periods.between(begin, end, timezone, NOW, None)) == granularity
    starts = periods.point_starts(begin, end, timezone, granularity)
    assert len(starts) == number
    assert starts[:2] == (begin, begin + first_minutes * 60)


def test_an_instant_falls_into_the_last_point_that_has_begun() -> None:
    assert [periods.point_of(second, (0, 900)) for second in (0, 899, 900)] == [0, 0, 900]


@pytest.mark.parametrize(
    ("text", "timezone", "local"),
    [
        ("2026-11-22T18:15Z", "Asia/Kathmandu", (0, 0)),
        ("2026-11-22T18:00Z", "Asia/Kathmandu", (23, 6)),
        ("2026-11-23T03:15Z", "America/St_Johns", (23, 6)),
    ],
)
def test_local_hour_and_weekday(text: str, timezone: str, local: tuple[int, int]) -> None:
    assert periods.hour_and_weekday(at(text), timezone) == local
