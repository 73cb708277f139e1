"""The newest cells of the users that are asked about, read for many users in one query.

A query costs ClickHouse a few milliseconds before it reads a row, and a changed user needs his few
rows again: all who are asked about while a query runs are read by the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass

from query_api import cells, questions
from query_api.cells import Cells
from query_api.past import KeptNumbers
from query_api.questions import Asker, ErasedBefore

MAX_USERS = 32
"""In one query: a busy user has some thousand cells."""
_TURNS = 2


@dataclass(frozen=True)
class Known:
    """What is known of a user before anything is read.

    `past` changes when anything before `cut` did, `stamp` when anything of the user's did; of what
    is before `erased_before` nothing is read.
    """

    user_id: int
    past: Hashable
    stamp: Hashable
    erased_before: ErasedBefore
    cut: int


class _Batch:
    """Users whose cells are read together, and how many wait for them."""

    task: asyncio.Task[dict[int, Cells]]

    def __init__(self, cut: int) -> None:
        self.cut = cut
        self.users: dict[int, ErasedBefore] = {}
        self.waiting = 0


class RecentCells:
    """Reads the cells since a user's cut; keeps them in `kept` for as long as his stamp stands."""

    def __init__(self, asker: Asker, kept: KeptNumbers) -> None:
        self._asker = asker
        self._kept = kept
        self._turns = asyncio.Semaphore(_TURNS)
        # By cut: the batch that has not begun to read.
        self._open: dict[int, _Batch] = {}

    async def of(self, user: Known) -> Cells:
        """The user's cells from his cut on; raises `UnavailableError`.

        The queries are given up when the last one who waits for their batch has left.
        """
        key = ("cells", user.user_id, user.stamp, user.cut)
        if tables := self._kept.get(key):
            return Cells(*tables)
        found = await self._wait(self._batch(user.cut), user)
        own = found.get(user.user_id, cells.NONE)
        self._kept.put(key, (own.numbers, own.counts))
        return own

    def _batch(self, cut: int) -> _Batch:
        batch = self._open.get(cut)
        if batch is None or len(batch.users) >= MAX_USERS:
            batch = self._open[cut] = _Batch(cut)
            batch.task = asyncio.create_task(self._read(batch))
        return batch

    async def _wait(self, batch: _Batch, user: Known) -> dict[int, Cells]:
        batch.users[user.user_id] = user.erased_before
        batch.waiting += 1
        try:
            return await asyncio.shield(batch.task)
        finally:
            batch.waiting -= 1
            if not batch.waiting:
                batch.task.cancel()
                self._begin(batch)

    async def _read(self, batch: _Batch) -> dict[int, Cells]:
        async with self._turns:
            self._begin(batch)
            return cells.by_owner(
                *await asyncio.gather(
                    questions.user_cells(self._asker, batch.users, batch.cut),
                    questions.user_cell_counts(self._asker, batch.users, batch.cut),
                )
            )

    def _begin(self, batch: _Batch) -> None:
        """Let nobody join it any more."""
        if self._open.get(batch.cut) is batch:
            del self._open[batch.cut]
