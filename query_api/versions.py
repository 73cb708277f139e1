"""Users' stamps that are the same in every process: the versions of their cells.

Only where processes share answers: by itself a process tells what it read apart by numbers of its
own (`stamps.py`), and need not look a user up.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from query_api import questions
from query_api.progress import Progress
from query_api.questions import Asker, ErasedBefore
from query_api.together import Together

Versions = tuple[tuple[int, int], ...]
"""By source, in order: the mark of the newest version of a user's cells (`Progress.mark`)."""

MAX_USERS = 100_000
"""Of these the one that was looked up longest ago is forgotten."""
_TOGETHER = 1_000


class UserVersions:
    """Looks users up, all who are asked about at the time in one query, and remembers them."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._together: Together[Progress, Versions] = Together(self._read, _TOGETHER)
        self._known: OrderedDict[int, tuple[int, Versions]] = OrderedDict()

    async def of(self, user_id: int, change: int, progress: Progress) -> Versions:
        """A user's versions at or after the `progress` that was read; looked up once for a number
        of his last `change`. Raises `UnavailableError`."""
        known = self._known.get(user_id)
        if known and known[0] == change:
            return known[1]
        found = await self._together.of(user_id, {}, progress) or ()
        self._known[user_id] = change, found
        self._known.move_to_end(user_id)
        if len(self._known) > MAX_USERS:
            self._known.popitem(last=False)
        return found

    async def _read(
        self, users: Mapping[int, ErasedBefore], progress: Progress
    ) -> Mapping[int, Versions]:
        found: dict[int, list[tuple[int, int]]] = {}
        for row in await questions.user_stamps(self._asker, sorted(users)):
            mark = progress.mark(row["source"], row["newest"])
            found.setdefault(row["user_id"], []).append((row["source"], mark))
        return {user: tuple(sorted(marks)) for user, marks in found.items()}
