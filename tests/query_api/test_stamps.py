"""Stamps: few queries for many who ask, and another stamp for every change of a user's cells."""

from __future__ import annotations

import asyncio
import gc
from itertools import pairwise
from typing import Any

import pytest

from query_api import stamps as module
from query_api.stamps import Stamps
from tests.query_api.stamped import Clock, Tables

_EPOCH = 1 << 48


def test_however_many_ask_about_however_many_users_the_progress_is_read_once() -> None:
    tables, clock = Tables({1: 90}, {(2, 1): 20, (3, 1): 30}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        found = await asyncio.gather(*(stamps.of_user(user) for user in (1, 2, 3) * 9))
        assert len({reading.stamp for reading in found}) == 3
        assert {reading.fresh.as_of_ms for reading in found} == {90_000}
        assert tables.questions() == ["source_progress"]

    asyncio.run(story())


def test_a_user_of_whom_nobody_asked_yet_waits_for_nothing() -> None:
    tables, clock = Tables({1: 90}, {}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        await stamps.of_user(1)
        tables.questions()
        clock.now += 0.4
        first = stamps.of_user(2)
        with pytest.raises(StopIteration):  # It ends at the first step.
            first.send(None)
        tables.is_failing = True
        with pytest.raises(StopIteration):
            stamps.of_user(3).send(None)

    asyncio.run(story())


@pytest.mark.parametrize("steps", range(12))
def test_a_user_who_is_new_while_a_round_runs_changes_with_the_next_flush(steps: int) -> None:
    """However far the round has come: he is read after the progress before it, or after its own."""
    tables, clock = Tables({1: 50}, {(9, 1): 20}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        await stamps.of_user(9)
        # A flush of somebody else's messages has ended, one of the user's is under way.
        tables.cells[9, 1], tables.progress[1] = 55, 56
        tables.erasures = "one"
        clock.now += 0.3
        await stamps.of_user(9)  # begins the round
        for _ in range(steps):
            await asyncio.sleep(0.003)
        before = (await stamps.of_user(2)).stamp
        tables.cells[2, 1] = 57
        await asyncio.sleep(0.05)
        tables.progress[1] = 58
        clock.now += 0.6
        after = (await stamps.of_user(2)).stamp
        assert after != before
        clock.now += 0.6
        assert (await stamps.of_user(2)).stamp == after

    asyncio.run(story())


def test_a_change_is_found_once_the_progress_has_passed_it() -> None:
    tables, clock = Tables({1: 50, 2: 7}, {(2, 1): 20, (2, 2): 5, (3, 1): 30}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        before = [(await stamps.of_user(user)).stamp for user in (2, 3)]
        tables.questions()
        tables.cells[2, 1], tables.progress[1] = 50, 51
        assert [(await stamps.of_user(user)).stamp for user in (2, 3)] == before
        clock.now += 0.5
        after = [(await stamps.of_user(user)).stamp for user in (2, 3)]
        assert tables.questions() == ["source_progress", "changed_users"]
        assert [a == b for a, b in zip(before, after, strict=True)] == [False, True]
        clock.now += 0.5
        assert [(await stamps.of_user(user)).stamp for user in (2, 3)] == after
        assert tables.questions() == ["source_progress"]

    asyncio.run(story())


def test_who_asks_soon_after_a_reading_begins_the_next_one_and_does_not_wait() -> None:
    tables, clock = Tables({1: 50}, {(2, 1): 20}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        before = await stamps.of_user(2)
        tables.questions()
        tables.cells[2, 1], tables.progress[1] = 50, 51
        clock.now += 0.25
        assert (await stamps.of_user(2)) == before
        await asyncio.sleep(0)
        assert (await stamps.of_user(2)) == before  # and nothing is begun twice
        await asyncio.sleep(0.1)
        assert tables.questions() == ["source_progress", "changed_users"]
        assert (await stamps.of_user(2)).stamp != before.stamp

    asyncio.run(story())


def test_what_a_flush_under_way_has_written_changes_again_when_it_is_whole() -> None:
    tables, clock = Tables({1: 50}, {(2, 1): 20}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        seen = [(await stamps.of_user(2)).stamp]
        # The day's cell is written, the progress is not: other tables may still lack the event.
        tables.cells[2, 1] = 52
        clock.now += 1
        assert (await stamps.of_user(2)).stamp == seen[0]
        for progress in (51, 53, 54):
            tables.progress[1] = progress
            clock.now += 1
            seen.append((await stamps.of_user(2)).stamp)
        assert len(set(seen)) == 3
        assert seen[2] == seen[3]

    asyncio.run(story())


def test_a_new_epoch_begins_where_its_cells_do_and_the_old_one_may_have_gone_on() -> None:
    old, new = 1, (1 << 16) + 1
    tables, clock = Tables({old: 50}, {(2, old): 20, (3, old): 20}), Clock()

    async def stamps_of(stamps: Stamps) -> list[Any]:
        clock.now += 1
        return [(await stamps.of_user(user)).stamp for user in (2, 3)]

    async def story() -> None:
        stamps = Stamps(tables, clock)
        before = await stamps_of(stamps)
        # Nobody asks while the old epoch comes to its end: the last reading says nothing of it.
        tables.cells[3, old], tables.progress = 55, {new: 0}
        first = await stamps_of(stamps)
        assert not set(first) & set(before)
        tables.cells[2, new], tables.progress = _EPOCH + 2, {new: 3}
        second = await stamps_of(stamps)
        assert [a == b for a, b in zip(first, second, strict=True)] == [False, True]

    asyncio.run(story())


def test_a_round_that_began_long_ago_is_not_enough_for_who_asks_now() -> None:
    tables, clock = Tables({1: 50}, {}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        before = await stamps.of_user(2)
        # Another process writes an erasure, and answers when all must know of it.
        await _erase_while_a_round_runs(stamps, tables, clock)
        clock.now += module.STALE_S
        assert (await stamps.of_user(2)).stamp != before.stamp

    asyncio.run(story())


def test_where_tables_were_restored_nothing_that_is_known_stands() -> None:
    tables, clock = Tables({1: 50}, {}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        before = await stamps.of_user(2)
        tables.progress[1] = 40
        clock.now += 1
        assert (await stamps.of_user(2)).stamp != before.stamp

    asyncio.run(story())


async def _erase_while_a_round_runs(stamps: Stamps, tables: Tables, clock: Clock) -> None:
    clock.now += 0.3
    tables.progress[1] = 51
    tables.asked.clear()
    await stamps.of_user(2)  # begins it
    while "changed_users" not in tables.asked:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    tables.erased = [{"user_id": 2, "source": 1, "position": 40, "changed_ms": 5}]
    tables.erasures = "5 1"


def test_who_forgets_while_a_round_runs_gets_the_next_one() -> None:
    tables, clock = Tables({1: 50}, {}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        before = await stamps.of_user(2)
        await _erase_while_a_round_runs(stamps, tables, clock)
        stamps.forget()
        assert (await stamps.of_user(2)).stamp != before.stamp

    asyncio.run(story())


def test_a_round_that_fails_where_nobody_waits_is_not_worth_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tables, clock = Tables({1: 50}, {}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        await stamps.of_user(2)
        tables.is_failing = True
        clock.now += 0.3
        await stamps.of_user(2)
        await asyncio.sleep(0.05)

    asyncio.run(story())
    gc.collect()
    assert not caplog.records


def test_after_very_many_changes_everybody_has_changed(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MAX_CHANGES", 2)
    tables, clock = Tables({1: 9}, {(user, 1): user for user in range(1, 6)}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        before = (await stamps.of_user(5)).stamp
        tables.cells = {(user, 1): 10 + user for user in range(1, 5)}
        tables.progress[1] = 20
        clock.now += 1
        assert (await stamps.of_user(5)).stamp != before

    asyncio.run(story())


def test_memory_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MAX_USERS", 3)
    tables = Tables({1: 9}, {})

    async def story() -> None:
        stamps = Stamps(tables, Clock())
        before = {user: (await stamps.of_user(user)).stamp for user in (1, 2, 3, 4)}
        # The one who was asked about first is forgotten, and new when he is asked about again.
        after = {user: (await stamps.of_user(user)).stamp for user in (2, 3, 4, 1)}
        assert {user for user in before if before[user] == after[user]} == {2, 3, 4}
        assert after[1] not in before.values()

    asyncio.run(story())


def test_while_nothing_says_who_changes_everybody_does() -> None:
    tables, clock = Tables({}, {(2, 1): 20}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        found = [await stamps.of_user(2)]
        assert await stamps.of_user(2) == found[0]
        for progress in ({}, {1: 30}, {1: 31}, {}, {}):
            tables.progress = progress
            clock.now += 1
            found.append(await stamps.of_user(2))
        changes = [a.stamp != b.stamp for a, b in pairwise(found)]
        assert changes == [True, True, False, True, True]
        assert [reading.fresh.as_of_ms for reading in found[1:4]] == [None, 30_000, 31_000]

    asyncio.run(story())


def test_a_failure_is_everybodys_and_the_next_one_sees_what_it_missed() -> None:
    tables, clock = Tables({1: 50}, {(2, 1): 20}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        before = await stamps.of_user(2)
        tables.cells[2, 1], tables.progress[1], tables.is_failing = 60, 61, True
        clock.now += 1
        found = await asyncio.gather(*(stamps.of_user(2) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(one, OSError) for one in found)
        tables.is_failing = False
        assert (await stamps.of_user(2)).stamp != before.stamp

    asyncio.run(story())


def test_who_leaves_takes_nobody_with_him() -> None:
    tables = Tables({1: 50}, {(2, 1): 20})

    async def story() -> None:
        stamps = Stamps(tables, Clock())
        first, second = (asyncio.create_task(stamps.of_user(2)) for _ in range(2))
        await asyncio.sleep(0.005)
        first.cancel()
        assert (await second).fresh.as_of_ms == 50_000
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(story())


def test_the_system_changes_at_most_once_a_second() -> None:
    tables, clock = Tables({1: 50}, {}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        first = await asyncio.gather(*(stamps.of_system() for _ in range(5)))
        assert {reading.stamp for reading in first} == {((1, 50), "")}
        tables.progress[1] = 51
        clock.now += 0.9
        assert await stamps.of_system() == first[0]
        clock.now += 0.2
        later = await stamps.of_system()
        assert (later.stamp, later.fresh.as_of_ms) == (((1, 51), ""), 51_000)
        assert tables.questions() == ["source_progress", "system_stamps"] * 2
        # A clock that was set back must not keep it for ever.
        tables.progress[1] = 52
        clock.now -= 50
        assert (await stamps.of_system()).stamp == ((1, 52), "")

    asyncio.run(story())


def test_an_erasure_makes_other_stamps_and_says_what_is_not_to_be_shown() -> None:
    tables, clock = Tables({1: 50}, {(2, 1): 20, (3, 1): 30}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        before = [await stamps.of_user(2), await stamps.of_user(3), await stamps.of_system()]
        assert not await stamps.has_erased()
        tables.erased = [{"user_id": 2, "source": 1, "position": 40, "changed_ms": 5}]
        tables.erasures = "5 1"
        stamps.forget()
        after = [await stamps.of_user(2), await stamps.of_user(3), await stamps.of_system()]
        assert [a.stamp == b.stamp for a, b in zip(before, after, strict=True)] == [
            False,
            True,
            False,
        ]
        assert [reading.erased_before for reading in after] == [{1: 40}, {}, {}]
        assert await stamps.erased_before(2) == {1: 40}
        assert await stamps.has_erased()
        # Nothing new is asked while the text is the same.
        tables.asked.clear()
        clock.now += 1
        await stamps.of_user(2)
        assert tables.questions() == ["source_progress"]

    asyncio.run(story())


def test_who_comes_just_as_a_round_ends_gets_a_reading_that_will_do() -> None:
    tables, clock = Tables({1: 50}, {(2, 1): 20, (3, 1): 30}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        first = asyncio.create_task(stamps.of_user(2))
        while not tables.asked:  # noqa: ASYNC110
            await asyncio.sleep(0)
        # At every step of the loop until the first has his answer one more asks.
        others = []
        while not first.done():
            others.append(asyncio.create_task(stamps.of_user(3)))
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            assert len({(await other).stamp for other in others}) == 1

    asyncio.run(story())


def test_the_system_changes_less_often_where_its_answers_take_long() -> None:
    tables, clock = Tables({1: 50}, {}), Clock()

    async def story() -> list[int]:
        stamps = Stamps(tables, clock)
        changes = []
        for seconds in (0.0, 0.1, 9.0):
            stamps.took(seconds)
            reading, began = await stamps.of_system(), clock.now
            tables.progress[1] += 1
            while await stamps.of_system() == reading:
                clock.now += 0.5
            changes.append(clock.now - began)
        return changes

    assert asyncio.run(story()) == [1.0, 2.0, 5.0]
