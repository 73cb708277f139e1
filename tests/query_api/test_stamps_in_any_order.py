"""Whatever happens in between: an answer that is kept by a stamp has all that is fresh."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from query_api.questions import Rows
from query_api.stamps import Stamps
from query_api.versions import UserVersions

_USERS = (1, 2, 3)
_SOURCE = 1


class Tables:
    """One source's log, flushed step by step: an event's cell in one table, its day's in another,
    then the progress. Questions are answered from what is there at some instant."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.cells = {user: [0] for user in _USERS}
        self.days = dict.fromkeys(_USERS, 0)
        self.progress = 1
        self.erased: dict[int, int] = {}

    async def pause(self) -> None:
        """Let others go on for some steps."""
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)

    async def flush(self) -> None:
        """Write a few events."""
        events = [(self.progress + n, self.random.choice(_USERS)) for n in range(3)]
        for table in self.random.sample((self._write_cell, self._write_day), 2):
            for version, user in events:
                table(user, version)
                await self.pause()
        self.progress += len(events)

    def _write_cell(self, user: int, version: int) -> None:
        self.cells[user].append(version)

    def _write_day(self, user: int, version: int) -> None:
        self.days[user] = version

    async def ask(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Rows:
        await self.pause()
        rows = self._rows(question, parameters)
        await self.pause()
        return rows

    def _rows(self, question: str, parameters: Mapping[str, Any]) -> Rows:
        if question == "source_progress":
            row = {"source": _SOURCE, "next_offset": self.progress, "partitions": 1}
            return [row | {"as_of_ms": self.progress, "erasures": str(self.erased)}]
        if question == "user_stamps":
            return [
                {"user_id": user, "source": _SOURCE, "newest": self.days[user]}
                for user in parameters["users"]
            ]
        if question == "erased_users":
            rows = [{"user_id": user, "position": at} for user, at in self.erased.items()]
            return [row | {"source": _SOURCE, "changed_ms": 0} for row in rows]
        assert question == "changed_users"
        return [
            {"user_id": user, "source": _SOURCE, "newest": newest, "day": 0}
            for user, newest in self.days.items()
            if newest >= parameters["least"]
        ]


@pytest.mark.parametrize("is_shared", [False, True])
@pytest.mark.parametrize("seed", range(150))
def test_an_answer_that_is_kept_has_all_that_is_fresh(seed: int, is_shared: bool) -> None:
    random = Random(seed)
    tables = Tables(random)
    now = 100.0
    kept: dict[Any, tuple[list[int], int]] = {}
    hits = 0
    writing: asyncio.Task[None]

    async def write() -> None:
        for _ in range(12):
            await tables.flush()
            if random.random() < 0.3:
                tables.erased[random.choice(_USERS)] = tables.progress
            await tables.pause()

    async def ask(stamps: Stamps) -> None:
        nonlocal now, hits
        while not writing.done():
            now += random.choice((0, 0.1, 0.3, 0.6))
            user = random.choice(_USERS)
            reading = await stamps.of_user(user)
            erased = reading.erased_before.get(_SOURCE, 0)
            hits += (user, reading.stamp) in kept
            if (user, reading.stamp) not in kept:
                await tables.pause()
                kept[user, reading.stamp] = list(tables.cells[user]), erased
            versions, hidden = kept[user, reading.stamp]
            wanted = [one for one in tables.cells[user] if one < (reading.fresh.as_of_ms or 0)]
            assert set(wanted) <= set(versions)
            assert hidden == erased
            if random.random() < 0.05:
                stamps.forget()

    async def story() -> None:
        nonlocal writing
        processes = [
            Stamps(tables, lambda: now, UserVersions(tables) if is_shared else None)
            for _ in range(2 if is_shared else 1)
        ]
        writing = asyncio.create_task(write())
        await asyncio.gather(*(ask(stamps) for stamps in processes * 3))

    asyncio.run(story())
    assert hits
