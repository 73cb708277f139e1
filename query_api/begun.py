"""What takes longest to read of a user, begun while he is still looked up.

Nothing is known of a user of whom nobody asked yet, and to look him up takes as long as a query.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from query_api.counterparties import Counterparties
from query_api.known import Known
from query_api.tables import UserTables

_Found = Mapping[int, Counterparties]


class Begun:
    """A user's messages by counterparty in [start, end), as `UserTables` gives them."""

    def __init__(self, tables: UserTables, user: Known, start: int, end: int) -> None:
        self._asked = _asked(user, start, end)
        self._task = asyncio.create_task(tables.counterparties(user, start, end))
        # Where nobody needs it, nobody needs to hear of its failure.
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def of(self, user: Known, start: int, end: int) -> _Found | None:
        """What was read, None where something else was, or where it was given up.

        Raises `UnavailableError`.
        """
        if _asked(user, start, end) != self._asked:
            return None
        await asyncio.wait({self._task})
        return None if self._task.cancelled() else self._task.result()

    def end(self) -> None:
        """Give up what is still being read."""
        self._task.cancel()


def _asked(user: Known, start: int, end: int) -> tuple[int, ...]:
    """Whatever else is known of the user changes nothing in what is read."""
    return (user.user_id, user.cut, user.today, start, end)
