"""Answers that were given before, for as long as the tables have not changed.

Keyed by the question, its parameters, the quarter of an hour and the stamp of what was read, so an
entry can never be stale: a change makes another key. Kept as the bytes that are sent. The times of
an answer are not part of it: they are those of the request.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from pydantic import BaseModel

from query_api.metrics import Metrics

_TIMES = {"generated_at", "data_as_of"}
_ENTRY_BYTES = 500
"""About what Python needs for an entry besides its bytes."""


@dataclass(frozen=True)
class Kept:
    """An answer's JSON object without its times and closing brace, and its entity tag."""

    body: bytes
    etag: str

    @classmethod
    def of(cls, answer: BaseModel) -> Kept:
        """The bytes of an answer whose last fields are `generated_at` and `data_as_of`."""
        return cls.of_body(answer.model_dump_json(exclude=_TIMES).encode()[:-1])

    @classmethod
    def of_body(cls, body: bytes) -> Kept:
        """An answer that was made before, from its bytes."""
        # Weak (RFC 9110, 8.8.1): the same numbers, while the times move on.
        return cls(body, f'W/"{blake2b(body, digest_size=16).hexdigest()}"')


class SharedAnswers(Protocol):
    """Answers that several processes share. Neither method raises: one that fails knows nothing."""

    async def get(self, key: Hashable) -> Kept | None: ...
    async def put(self, key: Hashable, kept: Kept) -> None: ...


@dataclass
class _Flight:
    """One computation and how many wait for it."""

    task: asyncio.Task[Kept]
    waiting: int = 0


class AnswerCache:
    """The most recently used answers, up to `max_bytes` (0 keeps none), before `shared` ones."""

    def __init__(
        self, max_bytes: int, metrics: Metrics, shared: SharedAnswers | None = None
    ) -> None:
        self._max_bytes = max_bytes
        self._metrics = metrics
        self._shared = shared
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._bytes = 0
        self._flights: dict[Hashable, _Flight] = {}

    async def get(
        self, key: Hashable, make: Callable[[], Awaitable[BaseModel]], *, is_asked: bool = True
    ) -> Kept:
        """The answer of a key; made once, however many ask for it at the same time.

        `is_asked` is False where nobody asks yet; that is not a miss of the cache.
        Who asked first may leave while others wait; when the last one has left it is given up.
        """
        if kept := self._kept.get(key):
            self._kept.move_to_end(key)
            self._count("hit", is_asked)
            return kept
        flight = self._flights.get(key)
        if flight is None:
            flight = _Flight(asyncio.create_task(self._find(key, make, is_asked)))
            self._flights[key] = flight
        else:
            self._count("shared", is_asked)
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                flight.task.cancel()
                # Another may have begun after this one was given up.
                if self._flights.get(key) is flight:
                    del self._flights[key]

    async def _find(
        self, key: Hashable, make: Callable[[], Awaitable[BaseModel]], is_asked: bool
    ) -> Kept:
        if self._shared and (kept := await self._shared.get(key)):
            self._count("hit", is_asked)
        else:
            self._count("miss", is_asked)
            kept = Kept.of(await make())
            if self._shared:
                await self._shared.put(key, kept)
        self._keep(key, kept)
        return kept

    def _count(self, result: str, is_asked: bool) -> None:
        if is_asked:
            self._metrics.cached(result)
        elif result == "miss":
            self._metrics.cache_warmed.inc()

    def _keep(self, key: Hashable, kept: Kept) -> None:
        size = len(kept.body) + _ENTRY_BYTES
        if size <= self._max_bytes and key not in self._kept:
            self._kept[key] = kept
            self._bytes += size
            while self._bytes > self._max_bytes:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= len(oldest.body) + _ENTRY_BYTES
            self._metrics.cache_bytes.set(self._bytes)
