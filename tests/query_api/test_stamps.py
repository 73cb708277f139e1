"""Stamps: few queries for many who ask, and another stamp for every change of a user's cells."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from query_api import stamps as module
from query_api.known import past_end, today_start
from query_api.questions import Rows
from query_api.stamps import Stamps
from query_api.zones import DAY_S

_EPOCH = 1 << 48


class Tables:
    """Answers the questions of `Stamps` from versions by (user, source), slowly; remembers them."""

    def __init__(self, progress: dict[int, int], cells: dict[tuple[int, int], int]) -> None:
        self.progress = progress
        self.cells = cells
        self.erasures = ""
        self.erased: Rows = []
        self.asked: list[str] = []
        self.is_failing = False
        self.day = 10**9
        self.system: list[dict[str, int]] = []

    async def ask(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Rows:
        self.asked.append(question)
        await asyncio.sleep(0.01)
        if self.is_failing:
            raise OSError("gone")
        if question == "source_progress":
            return [
                {
                    "source": s,
                    "next_offset": n,
                    "partitions": 1,
                    "as_of_ms": n * 1000,
                    "erasures": self.erasures,
                }
                for s, n in self.progress.items()
            ]
        if question == "erased_users":
            return self.erased
        if question == "system_stamps":
            return [row for row in self.system if row["day"] < parameters["before"]]
        rows = [
            {
                "user_id": user,
                "source": source,
                "newest": version,
                "day": self.day,
            }
            for (user, source), version in self.cells.items()
        ]
        assert question == "changed_users"
        since = dict(zip(parameters["sources"], parameters["positions"], strict=True))
        found = [row for row in rows if row["newest"] >= since.get(row["source"], 1 << 63)]
        return found[: parameters["page_rows"]]

    def questions(self) -> list[str]:
        asked, self.asked = self.asked, []
        return asked


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


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


def test_a_clock_that_is_set_back_over_midnight_is_a_new_beginning_the_next_day_is_not() -> None:
    tables, clock = Tables({1: 50}, {}), Clock()
    clock.now = 100 * DAY_S + 600.0

    async def story() -> None:
        stamps = Stamps(tables, clock)
        seen = [await stamps.of_user(2)]
        for seconds in (1, -7_200, 1, 7_200, DAY_S):
            clock.now += seconds
            seen.append(await stamps.of_user(2))
        for mark in (lambda r: r.past, lambda r: r.lately, lambda r: r.stamp):
            same = [mark(a) == mark(b) for a, b in pairwise(seen)]
            assert same == [True, False, True, True, True]

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
