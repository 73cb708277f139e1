"""One query for many users instead of one for each.

A query costs ClickHouse a few milliseconds before it reads a row, and a changed user needs his few
rows again: all who are asked about while queries run are read by the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Generic, TypeVar

from query_api.questions import ErasedBefore

Span = TypeVar("Span", bound=Hashable)
Found = TypeVar("Found")


class _Batch(Generic[Span, Found]):
    """Users about whom the same is asked together, and how many wait for the answer."""

    task: asyncio.Task[Mapping[int, Found]]

    def __init__(self, span: Span) -> None:
        self.span = span
        self.users: dict[int, ErasedBefore] = {}
        self.waiting = 0


class Together(Generic[Span, Found]):
    """Asks `read` about up to `most` users at a time, of each what is after his erasure.

    `read` gives what it found by user; who is not in it has nothing.
    """

    def __init__(
        self,
        read: Callable[[Mapping[int, ErasedBefore], Span], Awaitable[Mapping[int, Found]]],
        most: int,
    ) -> None:
        self._ask = read
        self._most = most
        self._turn = asyncio.Lock()
        # By span: the batch that has not begun to read.
        self._open: dict[Span, _Batch[Span, Found]] = {}

    async def of(self, user_id: int, erased_before: ErasedBefore, span: Span) -> Found | None:
        """What there is of a user in a span; raises what `read` does.

        `read` is cancelled when the last one who waits for it has left.
        """
        batch = self._batch(span, user_id, erased_before)
        batch.users[user_id] = erased_before
        batch.waiting += 1
        try:
            found = await asyncio.shield(batch.task)
        finally:
            batch.waiting -= 1
            if not batch.waiting:
                batch.task.cancel()
                self._close(batch)
        return found.get(user_id)

    def _batch(self, span: Span, user_id: int, erased_before: ErasedBefore) -> _Batch[Span, Found]:
        batch = self._open.get(span)
        # Of one user less may be erased for who asked earlier: he takes nobody's place.
        if (
            batch is None
            or len(batch.users) >= self._most
            or batch.users.get(user_id, erased_before) != erased_before
        ):
            batch = self._open[span] = _Batch(span)
            batch.task = asyncio.create_task(self._read(batch))
        return batch

    async def _read(self, batch: _Batch[Span, Found]) -> Mapping[int, Found]:
        async with self._turn:
            self._close(batch)
            return await self._ask(batch.users, batch.span)

    def _close(self, batch: _Batch[Span, Found]) -> None:
        """Let nobody join it any more."""
        if self._open.get(batch.span) is batch:
            del self._open[batch.span]
