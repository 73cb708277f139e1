"""Stamps: few queries for many who ask, and another stamp for every change of a user's cells."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from query_api import stamps as module
from query_api.known import MOST_FEW
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
        self.asked: list[tuple[str, Any]] = []
        self.is_failing = False
        self.oldest = 10**9
        self.messages = 0
        self.system: list[dict[str, int]] = []

    async def ask(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Rows:
        self.asked.append((question, parameters.get("users")))
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
                "oldest": self.oldest,
                "messages": self.messages,
            }
            for (user, source), version in self.cells.items()
        ]
        if question == "user_stamps":
            return [row for row in rows if row["user_id"] in parameters["users"]]
        since = dict(zip(parameters["sources"], parameters["positions"], strict=True))
        found = [row for row in rows if row["newest"] >= since.get(row["source"], 1 << 63)]
        return found[: parameters["page_rows"]]

    def questions(self) -> list[str]:
        asked, self.asked = [question for question, _ in self.asked], []
        return asked


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_all_who_wait_are_one_query_and_known_users_none() -> None:
    tables, clock = Tables({1: 90}, {(2, 1): 20, (3, 1): 30}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        first = asyncio.create_task(stamps.of_user(1))
        await asyncio.sleep(0)
        others = [asyncio.create_task(stamps.of_user(user)) for user in (3, 2, 3)]
        found = [await first, *(await asyncio.gather(*others))]
        assert [reading.stamp for reading in found] == [(), ((1, 60),), ((1, 40),), ((1, 60),)]
        assert {reading.fresh.as_of_ms for reading in found} == {90_000}
        assert tables.asked == [("source_progress", None), ("user_stamps", [1, 2, 3])]
        tables.asked.clear()
        await asyncio.gather(*(stamps.of_user(user) for user in (1, 2, 3) for _ in range(9)))
        assert tables.asked == []

    asyncio.run(story())


def test_what_is_read_while_a_user_is_looked_up_holds_unless_he_changed() -> None:
    tables, clock = Tables({1: 50, 2: 7}, {(2, 1): 20, (3, 2): 7, (4, 1): 49}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        assert stamps.seen(2) is None  # as nothing is known yet
        await stamps.of_user(9)
        seen = {user: stamps.seen(user) for user in (2, 3, 4)}
        clock.now += 0.6
        # A flush that was under way then, of the third one's messages, has ended.
        tables.progress, tables.cells[4, 1] = {1: 90, 2: 8}, 60
        for user in seen:
            await stamps.of_user(user)
        assert {user for user, one in seen.items() if one and stamps.holds(one, user)} == {2}
        assert stamps.seen(2) is None  # as nobody has to look him up
        clock.now += 3
        assert stamps.seen(5) is None  # as the reading is old

    asyncio.run(story())


@pytest.mark.parametrize("is_whole", [False, True])
def test_what_a_flush_under_way_has_written_holds_until_it_is_whole(is_whole: bool) -> None:
    tables, clock = Tables({1: 50}, {(2, 1): 60}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        await stamps.of_user(9)
        seen = stamps.seen(2)
        if is_whole:
            clock.now += 0.6
            tables.progress[1] = 61
        await stamps.of_user(2)
        assert seen is not None
        assert stamps.holds(seen, 2) is not is_whole

    asyncio.run(story())


def test_nothing_that_was_read_before_an_erasure_holds() -> None:
    tables, clock = Tables({1: 50}, {(2, 1): 20, (3, 1): 20}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        await stamps.of_user(9)
        seen = {user: stamps.seen(user) for user in (2, 3)}
        clock.now += 0.6
        tables.erasures = "one"
        tables.erased = [{"user_id": 2, "source": 1, "position": 30, "changed_ms": 100_000}]
        for user in seen:
            await stamps.of_user(user)
        assert {user for user, one in seen.items() if one and stamps.holds(one, user)} == {3}

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
        assert after[0] == ((1, 100), (2, 10))
        assert after[1] == before[1]
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
        assert (await stamps.of_user(2)).stamp == ((1, 100),)

    asyncio.run(story())


def test_cells_of_an_unfinished_flush_have_a_stamp_of_their_own() -> None:
    tables, clock = Tables({1: 50}, {(2, 1): 20}), Clock()

    async def story() -> None:
        stamps, other = Stamps(tables, clock), Stamps(tables, clock)
        seen = [(await stamps.of_user(2)).stamp]
        # The day's cell is written, the progress is not: other tables may still lack the event.
        tables.cells[2, 1] = 52
        clock.now += 1
        assert (await stamps.of_user(2)).stamp == seen[0]
        seen.append((await other.of_user(2)).stamp)
        tables.progress[1] = 53
        clock.now += 1
        seen.append((await stamps.of_user(2)).stamp)
        assert (await other.of_user(2)).stamp == seen[2] == ((1, 104),)
        assert len(set(seen)) == 3

    asyncio.run(story())


def test_a_new_epoch_begins_where_its_cells_do() -> None:
    old, new = 1, (1 << 16) + 1
    tables, clock = Tables({old: 50}, {(2, old): 20}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        await stamps.of_user(2)
        tables.progress = {new: 3}
        tables.cells[2, new] = _EPOCH + 2
        clock.now += 1
        assert (await stamps.of_user(2)).stamp == ((old, 40), (new, 2 * (_EPOCH + 2)))
        assert (await Stamps(tables, clock).of_user(2)).stamp == (await stamps.of_user(2)).stamp

    asyncio.run(story())


def test_users_are_looked_up_again_after_very_many_changes(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MAX_CHANGES", 2)
    tables, clock = Tables({1: 9}, {(user, 1): user for user in range(1, 6)}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        await stamps.of_user(5)
        tables.cells = {(user, 1): 10 + user for user in range(1, 6)}
        tables.progress[1] = 20
        clock.now += 1
        assert (await stamps.of_user(5)).stamp == ((1, 30),)
        assert tables.asked[-1] == ("user_stamps", [5])

    asyncio.run(story())


def test_memory_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MAX_USERS", 3)
    tables = Tables({1: 9}, {})

    async def story() -> None:
        stamps = Stamps(tables, Clock())
        for user in (1, 2, 3, 4):
            await stamps.of_user(user)
        tables.questions()
        await stamps.of_user(4)
        assert tables.questions() == []
        await stamps.of_user(1)
        assert tables.questions() == ["user_stamps"]

    asyncio.run(story())


def test_before_any_progress_users_are_looked_up_every_time() -> None:
    tables, clock = Tables({}, {(2, 1): 20}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        first = await stamps.of_user(2)
        assert first.fresh.as_of_ms is None
        tables.cells[2, 1] = 21
        clock.now += 1
        second = await stamps.of_user(2)
        tables.progress[1] = 30
        clock.now += 1
        third = await stamps.of_user(2)
        assert [reading.stamp for reading in (first, second, third)] == [
            ((1, 40),),
            ((1, 42),),
            ((1, 42),),
        ]
        assert third.fresh.as_of_ms == 30_000

    asyncio.run(story())


def test_a_failure_is_everybodys_and_the_next_one_sees_what_it_missed() -> None:
    tables, clock = Tables({1: 50}, {(2, 1): 20}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        await stamps.of_user(2)
        tables.cells[2, 1], tables.progress[1], tables.is_failing = 60, 61, True
        clock.now += 1
        found = await asyncio.gather(*(stamps.of_user(2) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(one, OSError) for one in found)
        tables.is_failing = False
        assert (await stamps.of_user(2)).stamp == ((1, 120),)

    asyncio.run(story())


def test_who_leaves_takes_nobody_with_him() -> None:
    tables = Tables({1: 50}, {(2, 1): 20})

    async def story() -> None:
        stamps = Stamps(tables, Clock())
        first, second = (asyncio.create_task(stamps.of_user(2)) for _ in range(2))
        await asyncio.sleep(0.005)
        first.cancel()
        assert (await second).stamp == ((1, 40),)
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


def test_how_many_messages_a_user_has_is_looked_up_each_day() -> None:
    tables, clock = Tables({1: 50}, {(2, 1): 20, (2, 2): 20}), Clock()

    async def story() -> None:
        stamps = Stamps(tables, clock)
        tables.messages = MOST_FEW // 2
        assert (await stamps.of_user(2)).has_few
        tables.messages += 1
        clock.now += 1
        assert (await stamps.of_user(2)).has_few
        clock.now += DAY_S
        assert not (await stamps.of_user(2)).has_few

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
        assert stamps.erased_before(2) == {1: 40}
        assert stamps.erased_before(3) == {}
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
        for oldest in (100 * DAY_S, 99 * DAY_S, 96 * DAY_S, 95 * DAY_S):
            tables.oldest = oldest
            tables.cells[2, 1] = tables.progress[1]
            tables.progress[1] += 1
            clock.now += 1
            marks.append(await stamps.of_user(2))
        assert len({mark.stamp for mark in marks}) == 5
        assert len({mark.past for mark in marks[:4]}) == 1
        assert marks[4].past != marks[3].past
        assert marks[0].lately == marks[1].lately
        assert len({mark.lately for mark in marks[1:]}) == 4

    asyncio.run(story())


def test_who_comes_just_as_a_round_ends_waits_for_the_next() -> None:
    tables = Tables({1: 50}, {(2, 1): 20, (3, 1): 30})

    async def story() -> None:
        stamps = Stamps(tables, Clock())
        first = asyncio.create_task(stamps.of_user(2))
        while tables.asked[-1:] != [("user_stamps", [2])]:  # noqa: ASYNC110
            await asyncio.sleep(0)
        # At every step of the loop until the first has his answer one more asks.
        others = []
        while not first.done():
            others.append(asyncio.create_task(stamps.of_user(3)))
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            assert {(await other).stamp for other in others} == {((1, 60),)}

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
