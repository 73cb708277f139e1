"""Stamps that are the same in every process: who is looked up, how often, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from query_api import versions as module
from query_api.questions import Rows
from query_api.stamps import Stamps
from query_api.versions import UserVersions

_EPOCH = 1 << 48


class Tables:
    """Versions by (user, source) and how far each source has come; remembers who was looked up."""

    def __init__(self, progress: dict[int, int], cells: dict[tuple[int, int], int]) -> None:
        self.progress = progress
        self.cells = cells
        self.erased: Rows = []
        self.looked_up: list[list[int]] = []
        self.meanwhile: Callable[[], Awaitable[Any]] = lambda: asyncio.sleep(0)

    async def ask(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Rows:
        await asyncio.sleep(0.002)
        if question == "source_progress":
            return [
                {"source": source, "next_offset": offset, "partitions": 1, "as_of_ms": 0}
                | {"erasures": str(self.erased)}
                for source, offset in self.progress.items()
            ]
        if question == "erased_users":
            await self.meanwhile()
            return self.erased
        rows = [
            {"user_id": user, "source": source, "newest": newest, "day": 0}
            for (user, source), newest in self.cells.items()
        ]
        if question == "user_stamps":
            self.looked_up.append(list(parameters["users"]))
            return [row for row in rows if row["user_id"] in parameters["users"]]
        assert question == "changed_users"
        since = dict(zip(parameters["sources"], parameters["positions"], strict=True))
        return [row for row in rows if row["newest"] >= since.get(row["source"], 1 << 63)]

    def process(self, clock: Clock) -> Stamps:
        """The stamps of one of several processes."""
        return Stamps(self, clock, UserVersions(self))


class Clock:
    """Epoch seconds, that stand still."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def _stamps(stamps: Stamps, *users: int) -> list[Any]:
    return [reading.stamp for reading in await asyncio.gather(*map(stamps.of_user, users))]


def test_all_who_ask_meanwhile_are_one_query_and_known_users_none() -> None:
    async def story() -> None:
        tables, clock = Tables({1: 90}, {(2, 1): 20, (3, 1): 30}), Clock()
        stamps = tables.process(clock)
        found = await _stamps(stamps, 1, 3, 2, 3)
        assert found == [((), ()), (((1, 60),), ()), (((1, 40),), ()), (((1, 60),), ())]
        assert tables.looked_up == [[1, 2, 3]]
        assert await _stamps(stamps, 1, 3, 2, 3) == found
        assert len(tables.looked_up) == 1

    asyncio.run(story())


def test_processes_have_the_same_stamps_whenever_they_began() -> None:
    async def story() -> None:
        old, new = 1, (1 << 16) + 1
        tables, clock = Tables({old: 50}, {(2, old): 20, (3, old): 30}), Clock()
        first = tables.process(clock)
        before = await _stamps(first, 2, 3)
        tables.progress, tables.cells[2, new] = {new: 3}, _EPOCH + 2
        tables.erased = [{"user_id": 3, "source": old, "position": 40, "changed_ms": 5}]
        clock.now += 1
        after = await _stamps(first, 2, 3)
        assert after == await _stamps(tables.process(clock), 2, 3)
        assert after[0] == (((old, 40), (new, 2 * (_EPOCH + 2))), ())
        assert after[1] == (((old, 60),), ((old, 40),))
        assert before[0] != after[0]

    asyncio.run(story())


def test_what_a_flush_under_way_has_written_has_a_stamp_of_its_own() -> None:
    async def story() -> None:
        tables, clock = Tables({1: 50}, {(2, 1): 20}), Clock()
        first, second = tables.process(clock), tables.process(clock)
        seen = await _stamps(first, 2)
        # The day's cell is written, the progress is not: other tables may still lack the event.
        tables.cells[2, 1] = 52
        clock.now += 1
        seen += await _stamps(second, 2)
        tables.progress[1] = 53
        clock.now += 1
        seen += await _stamps(first, 2)
        assert await _stamps(second, 2) == seen[2:] == [(((1, 104),), ())]
        assert len(set(seen)) == 3

    asyncio.run(story())


@pytest.mark.parametrize("is_known", [False, True])
def test_who_asks_while_a_round_runs_does_not_keep_the_progress_of_before(is_known: bool) -> None:
    async def story() -> None:
        tables, clock = Tables({1: 50}, {(2, 1): 52}), Clock()
        stamps = tables.process(clock)
        early = await _stamps(stamps, *([2] if is_known else [3]))
        # A flush has ended, and the round that sees it reads of an erasure as well.
        tables.progress[1], tables.cells[2, 1] = 56, 55
        tables.erased = [{"user_id": 9, "source": 1, "position": 40, "changed_ms": 5}]
        tables.meanwhile = lambda: _stamps(stamps, 2)
        clock.now += 0.3
        early += await _stamps(stamps, 2)  # begins the round
        await asyncio.sleep(0.05)
        late = await _stamps(stamps, 2)
        assert late == [(((1, 110),), ())]
        assert late[0] not in early

    asyncio.run(story())


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_USERS", 3)

    async def story() -> None:
        tables = Tables({1: 9}, {})
        stamps = tables.process(Clock())
        for user in (1, 2, 3, 4, 4, 1):
            await stamps.of_user(user)
        assert tables.looked_up == [[1], [2], [3], [4], [1]]

    asyncio.run(story())
