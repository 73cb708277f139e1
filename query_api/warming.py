"""Answers computed before they are asked for again.

When the tables have changed, the answers that somebody asked for a short while ago are computed
anew: those about the system, and those about the users that changed. In the last minute of a
quarter of an hour the next quarter's are computed as well, since with it every named range moves
on. A few at a time, whose rows are read together, and only while ClickHouse has turns to spare:
whoever asks goes first, and shares a computation that has begun.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from itertools import compress

from query_api.zones import BUCKET_S

log = logging.getLogger("query_api")

_Key = tuple[int | None, Hashable]
Again = Callable[[float], Awaitable[object]]
"""Computes an answer as of an instant, epoch seconds, unless it is kept."""

MAX_QUESTIONS = 5_000
"""Of these the one that was asked longest ago is forgotten."""
_PERIOD_S = 0.25
_RECENT_S = 15
_AHEAD_S = 60
_TOGETHER = 8


class Warmer:
    """Remembers questions; `run` is its task, for as long as the app lives."""

    def __init__(
        self,
        clock: Callable[[], float],
        changed: Callable[[], set[int]],
        has_room: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._changed = changed
        self._has_room = has_room
        # By user (None: the system) and name; when it was asked, for which quarter it is ready.
        self._asked: OrderedDict[_Key, tuple[float, Again]] = OrderedDict()
        self._of_user: dict[int | None, set[Hashable]] = {}
        self._ready: dict[_Key, int] = {}

    def asked(self, user_id: int | None, name: Hashable, again: Again) -> None:
        """Somebody asked a question about a user, or the system (None)."""
        key = (user_id, name)
        self._asked[key] = (self._clock(), again)
        self._asked.move_to_end(key)
        self._of_user.setdefault(user_id, set()).add(name)
        if len(self._asked) > MAX_QUESTIONS:
            self._forget(next(iter(self._asked)))

    async def run(self) -> None:
        """Compute again and again what was asked a short while ago."""
        while True:
            await asyncio.sleep(_PERIOD_S)
            await self.step()

    async def step(self) -> None:
        """Compute what has changed since the last step, then some of the next quarter's."""
        now = self._clock()
        while self._asked and not 0 <= now - next(iter(self._asked.values()))[0] < _RECENT_S:
            self._forget(next(iter(self._asked)))
        users = [key for user in self._changed() & self._of_user.keys() for key in self._keys(user)]
        for key in users:
            self._ready.pop(key, None)
        for some in _in_parts(users):
            await asyncio.gather(*(self._compute(key, now) for key in some))
        # One at a time, as they are computed: whoever asks waits for one of them at most. What is
        # kept takes no time, so the next step goes on from there.
        until = self._clock() + _PERIOD_S
        for key in self._keys(None):
            await self._compute(key, self._clock())
            if not 0 <= until - self._clock() <= _PERIOD_S:
                break
        boundary = int(now // BUCKET_S + 1) * BUCKET_S
        if boundary - now < _AHEAD_S:
            await self._prepare(boundary)

    def _keys(self, user_id: int | None) -> Sequence[_Key]:
        return [(user_id, name) for name in self._of_user.get(user_id, ())]

    async def _prepare(self, boundary: int) -> None:
        """Users' answers of the quarter that begins at `boundary`, until it is time to look again.

        The system's will have changed by then.
        """
        until = self._clock() + _PERIOD_S
        users = (key for key in self._asked if key[0] is not None)
        waiting = [key for key in users if self._ready.get(key) != boundary]
        for some in _in_parts(waiting):
            done = await asyncio.gather(*(self._compute(key, boundary) for key in some))
            self._ready |= dict.fromkeys(compress(some, done), boundary)
            if not 0 <= until - self._clock() <= _PERIOD_S:
                return

    async def _compute(self, key: _Key, at: float) -> bool:
        if key not in self._asked or not self._has_room():
            return False
        try:
            await self._asked[key][1](at)
        except Exception as error:  # Whoever asks is told; nobody does yet.
            log.warning("an answer was not computed ahead: %s", error)
            return False
        return True

    def _forget(self, key: _Key) -> None:
        del self._asked[key]
        self._ready.pop(key, None)
        names = self._of_user[key[0]]
        names.discard(key[1])
        if not names:
            del self._of_user[key[0]]


def _in_parts(keys: Sequence[_Key]) -> Iterator[Sequence[_Key]]:
    return (keys[place : place + _TOGETHER] for place in range(0, len(keys), _TOGETHER))
