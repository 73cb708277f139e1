"""The cells of a user who has few of them.

A query costs ClickHouse more than to read a few thousand cells, so all that any answer needs are
read at once, and every range and zone is answered from them.
"""

from __future__ import annotations

from query_api import cells
from query_api.cells import Cells
from query_api.kept import KeptNumbers, Tables
from query_api.known import Known
from query_api.tables import UserTables
from query_api.zones import DAY_S, FOREVER

_REACHES = (64, 192)
"""Days before the cut that are read, one number for many ranges: up to 30 days with the eight weeks
of a projection's history, and 90 days with the 90 before; beyond it everything is."""


class FewCells:
    """Reads the cells of one user."""

    def __init__(self, tables: UserTables, kept: KeptNumbers, user: Known) -> None:
        self._tables = tables
        self._kept = kept
        self._user = user

    async def since(self, start: int) -> Cells:
        """Those from `start` on, and some before; raises `UnavailableError`."""
        parts = list(self._user.parts(self._reach(start), FOREVER).values())
        found: list[Tables] = []
        for part in parts:
            if (kept := self._kept.get(self._user.key("few", part))) is None:
                break
            found.append(kept)
        if missing := parts[len(found) :]:
            read = await self._tables.cells(self._user, (missing[0].start, FOREVER))
            for part in missing:
                own = read.between(part.start, part.end)
                found.append((own.numbers, own.counts))
                self._kept.put(self._user.key("few", part), found[-1])
        return cells.joined(*(Cells(*own) for own in found))

    def _reach(self, start: int) -> int:
        wanted = (self._user.cut - days * DAY_S for days in _REACHES)
        return next((begin for begin in wanted if begin <= start), 0)
