"""What an answer was computed from, as a value that changes whenever the tables do.

Asked before every answer, so it has to be cheap: the progress at most once a second, the stamps of
all users who wait in one query.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

from query_api import questions
from query_api.questions import Asker, Rows

_KEPT_S = 1.0

Stamp = Hashable
UserStamps = dict[int, tuple[tuple[int, int], ...]]


class Stamps:
    """Reads stamps; `clock` gives epoch seconds."""

    def __init__(self, asker: Asker, clock: Callable[[], float]) -> None:
        self._asker = asker
        self._clock = clock
        self._progress: Rows = ()
        self._until = 0.0
        self._reading: asyncio.Task[Rows] | None = None
        self._waiting: set[int] = set()
        self._next: asyncio.Task[UserStamps] | None = None
        self._users_lock = asyncio.Lock()

    async def progress(self) -> Rows:
        """The rows of `source_progress`, at most a second old."""
        # A clock that was set back must not keep them for ever.
        if self._until - _KEPT_S <= self._clock() < self._until:
            return self._progress
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_progress())
            self._reading.add_done_callback(self._end_reading)
        # Shielded: the others still wait when this one is cancelled.
        return await asyncio.shield(self._reading)

    async def _read_progress(self) -> Rows:
        self._progress = await questions.source_progress(self._asker)
        self._until = self._clock() + _KEPT_S
        return self._progress

    def _end_reading(self, _: asyncio.Task[Rows]) -> None:
        self._reading = None

    async def of_user(self, user_id: int) -> Stamp:
        """The versions of a user's cells by source, read after this was called."""
        self._waiting.add(user_id)
        if self._next is None:
            self._next = asyncio.create_task(self._read_waiting())
        # Shielded: the others still wait when this one is cancelled.
        found = await asyncio.shield(self._next)
        return found.get(user_id, ())

    async def _read_waiting(self) -> UserStamps:
        """The stamps of everybody who began to wait before the query before this one ended."""
        async with self._users_lock:
            users, self._waiting, self._next = sorted(self._waiting), set(), None
            rows = await questions.user_stamps(self._asker, users)
        found: UserStamps = {}
        for row in rows:
            found[row["user_id"]] = (
                *found.get(row["user_id"], ()),
                (row["source"], row["version"]),
            )
        return found


def system_stamp(progress: Rows) -> Stamp:
    """The positions up to which the system's totals have come."""
    return tuple((row["source"], row["next_offset"]) for row in progress)
