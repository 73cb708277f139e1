"""What happened to users lately, read for many of them in one query and kept while it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from query_api import cells, counterparties, questions
from query_api.cells import Cells
from query_api.counterparties import Counterparties
from query_api.past import KeptNumbers
from query_api.questions import Asker, ErasedBefore
from query_api.sums import by_key
from query_api.together import Together


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


class Recent:
    """Reads what is of a user since his cut; keeps it in `kept` for as long as his stamp stands.

    Every method raises `UnavailableError`.
    """

    def __init__(self, asker: Asker, kept: KeptNumbers) -> None:
        self._asker = asker
        self._kept = kept
        self._cells: Together[int, Cells] = Together(self._read_cells)
        self._counterparties: Together[tuple[int, int], Counterparties] = Together(
            self._read_counterparties
        )

    async def cells(self, user: Known) -> Cells:
        """The user's cells from his cut on."""
        key = ("cells", user.user_id, user.stamp, user.cut)
        if tables := self._kept.get(key):
            return Cells(*tables)
        found = await self._cells.of(user.user_id, user.erased_before, user.cut)
        own = found or cells.NONE
        self._kept.put(key, (own.numbers, own.counts))
        return own

    async def counterparties(self, user: Known, start: int, end: int) -> Counterparties:
        """The user's messages in [start, end) by the number at the other end."""
        key = ("counterparties", user.user_id, user.stamp, start, end)
        if tables := self._kept.get(key):
            return Counterparties(*tables)
        span = (start, end)
        found = await self._counterparties.of(user.user_id, user.erased_before, span)
        own = found or counterparties.NONE
        self._kept.put(key, (own.numbers,))
        return own

    async def _read_cells(
        self, users: Mapping[int, ErasedBefore], start: int
    ) -> Mapping[int, Cells]:
        found = await asyncio.gather(
            questions.user_cells(self._asker, users, start),
            questions.user_cell_counts(self._asker, users, start),
        )
        return cells.by_owner(*found)

    async def _read_counterparties(
        self, users: Mapping[int, ErasedBefore], span: tuple[int, int]
    ) -> Mapping[int, Counterparties]:
        found = await questions.user_counterparties(self._asker, users, *span)
        rows = by_key(found[:, 0], found[:, 1:])
        return {owner: Counterparties(own) for owner, own in rows}
