"""Local time as stretches of constant offset: checked against zoneinfo, bucket by bucket."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from query_api.zones import (
    BUCKET_S,
    DAY_S,
    HOUR_S,
    clock_over,
    day_start,
    local_date,
    shift_days,
    zone_names,
    zone_of,
)


def _utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


# Zones with odd offsets, half-hour changes, changes at midnight, and four changes a year.
_ZONES = (
    "UTC",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "America/Havana",
    "America/Santiago",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Europe/London",
    "Pacific/Kiritimati",
)


@pytest.mark.parametrize("name", _ZONES)
def test_every_bucket_of_400_days_has_zoneinfos_local_time(name: str) -> None:
    zone = ZoneInfo(name)
    start = _utc("2025-10-20T10:15")
    clock = clock_over(zone, start, start + 400 * DAY_S)
    for second in range(clock.start, clock.end, BUCKET_S):
        local = datetime.fromtimestamp(second, zone).replace(tzinfo=UTC).timestamp()
        assert clock.local(second) == local


@pytest.mark.parametrize("name", _ZONES)
@pytest.mark.parametrize("width", [BUCKET_S, HOUR_S, DAY_S])
def test_slots_cover_the_range_and_are_cut_by_local_time(name: str, width: int) -> None:
    start = _utc("2026-03-01T10:15")
    clock = clock_over(ZoneInfo(name), start, start + 300 * DAY_S)
    slots = clock.slots(width)
    assert slots[0] == start
    assert slots == sorted(set(slots))
    for slot, following in zip(slots, [*slots[1:], clock.end], strict=True):
        same = {clock.local(second) // width for second in range(slot, following, BUCKET_S)}
        assert len(same) == 1
    for slot in slots[1:]:
        assert slot in clock.starts or clock.local(slot) % width == 0


def test_a_repeated_hour_is_two_slots_and_a_skipped_one_none() -> None:
    # London: 2026-10-25 01:00 UTC the clock goes from 02:00 back to 01:00.
    clock = clock_over(
        ZoneInfo("Europe/London"), _utc("2026-10-24T23:00"), _utc("2026-10-26T00:00")
    )
    hours = [clock.local(slot) // HOUR_S % 24 for slot in clock.slots(HOUR_S)]
    assert hours == [0, 1, 1, *range(2, 24)]
    # 2026-03-29 01:00 UTC: from 01:00 to 02:00.
    clock = clock_over(
        ZoneInfo("Europe/London"), _utc("2026-03-29T00:00"), _utc("2026-03-29T23:00")
    )
    hours = [clock.local(slot) // HOUR_S % 24 for slot in clock.slots(HOUR_S)]
    assert hours == [0, *range(2, 24)]


def test_a_change_of_half_an_hour_cuts_an_hour() -> None:
    # Lord Howe: 2026-04-04 15:00 UTC the clock goes from 02:00 back to 01:30.
    clock = clock_over(
        ZoneInfo("Australia/Lord_Howe"), _utc("2026-04-04T13:00"), _utc("2026-04-04T17:30")
    )
    assert clock.starts == (_utc("2026-04-04T13:00"), _utc("2026-04-04T15:00"))
    assert [clock.moment(slot).strftime("%H:%M") for slot in clock.slots(HOUR_S)] == [
        "00:00", "01:00", "01:30", "02:00", "03:00",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        ("Europe/London", date(2026, 3, 29), 23),
        ("Europe/London", date(2026, 10, 25), 25),
        ("America/Santiago", date(2026, 4, 4), 25),
        ("America/Santiago", date(2026, 9, 6), 23),
        ("America/Havana", date(2026, 3, 8), 23),
        ("America/Havana", date(2026, 11, 1), 25),
        ("Asia/Beirut", date(2026, 3, 29), 23),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Asia/Kathmandu", date(2026, 4, 5), 24),
    ],
)
def test_a_local_day_has_as_many_hours_as_it_has(name: str, day: date, hours: float) -> None:
    zone = ZoneInfo(name)
    start, end = day_start(zone, day), day_start(zone, day + timedelta(days=1))
    assert (end - start) / HOUR_S == hours
    assert local_date(zone, start) == day
    assert local_date(zone, start - 1) == day - timedelta(days=1)
    clock = clock_over(zone, start - DAY_S, end + DAY_S)
    assert {clock.local(second) // DAY_S for second in range(start, end, BUCKET_S)} == {
        day.toordinal() - date(1970, 1, 1).toordinal()
    }


@pytest.mark.parametrize(
    ("second", "days", "shifted"),
    [
        ("2026-03-29T12:00", -1, "2026-03-28T13:00"),  # 13:00 local on both days
        ("2026-10-25T12:00", -1, "2026-10-24T11:00"),
        ("2026-10-25T01:30", 1, "2026-10-26T01:30"),  # the second 01:30 of that day
        ("2026-06-01T12:00", -365, "2025-06-01T12:00"),
    ],
)
def test_days_are_shifted_by_the_wall_clock(second: str, days: int, shifted: str) -> None:
    assert shift_days(ZoneInfo("Europe/London"), _utc(second), days) == _utc(shifted)


@pytest.mark.parametrize(
    "name",
    ["", "Nowhere/City", "../../etc/passwd", "/etc/localtime", "UTC\0", "utc ", "Europe", "a" * 64],
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not an IANA time zone"):
        zone_of(name)


def test_every_zone_that_is_listed_can_be_used() -> None:
    start = _utc("2025-11-01T00:00")
    for name in zone_names():
        clock = clock_over(zone_of(name), start, start + 400 * DAY_S)
        assert all(offset % BUCKET_S == 0 for offset in clock.offsets), name
        assert all(begin % BUCKET_S == 0 for begin in clock.starts), name
