"""Stamps: which parts of time a change counts for, and what becomes of them when a day begins."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from query_api.known import past_end, today_start
from query_api.stamps import Stamps
from query_api.zones import DAY_S
from tests.query_api.stamped import Clock, Tables


def test_a_clock_that_is_set_back_over_midnight_is_a_new_beginning_the_next_day_is_not() -> None:
    tables, clock = Tables({1: 50}, {}), Clock()
    clock.now = 100 * DAY_S + 600.0

    async def story() -> None:
        stamps = Stamps(tables, clock)
        seen = [await stamps.of_user(2)]
        for seconds in (1, -7_200, 1, 7_200, DAY_S):
            clock.now += seconds
            seen.append(await stamps.of_user(2))
        for mark in (lambda r: r.lately, lambda r: r.stamp):
            same = [mark(a) == mark(b) for a, b in pairwise(seen)]
            assert same == [True, False, True, True, True]
        # Of the past something may be gone by retention, of which nobody hears.
        assert [a.past == b.past for a, b in pairwise(seen)] == [True, False, True, False, False]

    asyncio.run(story())


@pytest.mark.parametrize(("before_midnight_s", "is_told"), [(7_200, False), (60, True)])
def test_what_is_computed_ahead_of_midnight_stands_until_something_in_it_changes(
    before_midnight_s: int, is_told: bool
) -> None:
    tables, clock = Tables({1: 50}, {}), Clock()
    midnight = 101 * DAY_S
    clock.now = midnight - before_midnight_s

    async def story() -> None:
        stamps = Stamps(tables, clock)
        ahead = await stamps.of_user(2)
        # A message of the day that is about to end, and one of the day that becomes the past.
        for day in (today_start(midnight - 1), past_end(midnight - 1)):
            tables.cells[2, 1], tables.day = tables.progress[1], day
            tables.progress[1] += 1
            clock.now += 1
            changed = await stamps.of_user(2)
            assert changed.stamp != ahead.stamp
            assert (changed.lately != ahead.lately) is (is_told or day < today_start(midnight - 1))
            assert (changed.past != ahead.past) is (is_told and day == past_end(midnight - 1))
            ahead = changed
        clock.now = midnight + 1
        assert (await stamps.of_user(2)).stamp == ahead.stamp

    asyncio.run(story())


def test_only_a_change_of_an_earlier_day_is_one_of_the_past_or_of_the_last_days() -> None:
    tables, clock = Tables({1: 50}, {(2, 1): 20}), Clock()
    clock.now = 100 * DAY_S + 5_000.0

    async def story() -> None:
        stamps = Stamps(tables, clock)
        marks = [await stamps.of_user(2)]
        for day in (100 * DAY_S, 99 * DAY_S, 96 * DAY_S, 95 * DAY_S):
            tables.day = day
            tables.cells[2, 1] = tables.progress[1]
            tables.progress[1] += 1
            clock.now += 1
            marks.append(await stamps.of_user(2))
        assert len({mark.stamp for mark in marks}) == 5
        assert len({mark.latest for mark in marks}) == 5
        assert len({mark.past for mark in marks[:4]}) == 1
        assert marks[4].past != marks[3].past
        assert marks[0].lately == marks[1].lately
        assert len({mark.lately for mark in marks[1:]}) == 4

    asyncio.run(story())


def test_the_systems_past_changes_when_a_day_of_it_does() -> None:
    today = 20 * DAY_S
    tables, clock = Tables({1: 50}, {}), Clock()
    tables.system = [{"day": 3 * DAY_S, "source": 1, "newest": 20}]
    clock.now = today + 100.0

    async def past_after(day: int, newest: int) -> Any:
        tables.system.append({"day": day, "source": 1, "newest": newest})
        tables.progress[1] += 1
        clock.now += 1
        return (await stamps.of_system()).past

    async def story() -> None:
        before = (await stamps.of_system()).past
        assert await past_after(today - DAY_S, 50) == before
        changed = await past_after(3 * DAY_S, 51)
        assert changed != before
        # What the progress does not reach yet may be in some tables only.
        early = await past_after(3 * DAY_S, 60)
        assert early not in (before, changed)
        tables.progress[1] = 61
        assert await past_after(today, 61) not in (before, changed, early)

    stamps = Stamps(tables, clock)
    asyncio.run(story())
