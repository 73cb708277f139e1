"""Reads what the tables have of users, of all who are asked about at the time in one query."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from query_api import cells, counterparties, questions, slots
from query_api.cells import Cells
from query_api.counterparties import Counterparties
from query_api.known import Known
from query_api.questions import ArrayAsker, ErasedBefore, whole_days
from query_api.slots import Slots
from query_api.sums import by_key
from query_api.together import Together

SlotSpan = tuple[int, int, int, tuple[int, ...]]
"""Start, end, width of a slot, and the days whose slots have a quarter of an hour."""
_Span = tuple[int, int]
_SpanInParts = tuple[int, int, int, int]

_END = 2**32 - 1
"""Later than any bucket."""
_TOGETHER = 32
_TOGETHER_IN_MONTHS = 8
"""Users in one query about any range: a busy one has 28,000 cells in 90 days."""


class UserTables:
    """Every method is about one user, and raises `UnavailableError`."""

    def __init__(self, asker: ArrayAsker) -> None:
        self._asker = asker
        self._slots: Together[SlotSpan, Slots] = Together(self._read_slots, _TOGETHER_IN_MONTHS)
        self._kinds: Together[_Span, Cells] = Together(self._read_kinds, _TOGETHER_IN_MONTHS)
        self._cells: Together[_Span, Cells] = Together(self._read_cells, _TOGETHER)
        self._edges: Together[_Span, Cells] = Together(self._read_cells, _TOGETHER_IN_MONTHS)
        self._counterparties: Together[_SpanInParts, Mapping[int, Counterparties]] = Together(
            self._read_counterparties, _TOGETHER_IN_MONTHS
        )

    async def slots(self, user: Known, span: SlotSpan) -> Slots:
        """Totals over time."""
        return await self._slots.of(user.user_id, user.erased_before, span) or slots.NONE

    async def kinds(self, user: Known, start: int, end: int) -> Cells:
        """Cells that add up to [start, end), one or a few by direction, type and country."""
        first, last = whole_days(start, end)
        asked = (
            table.of(user.user_id, user.erased_before, span)
            for table, span in (
                (self._edges, (start, first)),
                (self._kinds, (first, last)),
                (self._edges, (last, end)),
            )
            if span[0] < span[1]
        )
        return cells.joined(*(found or cells.NONE for found in await asyncio.gather(*asked)))

    async def cells(self, user: Known, since: int) -> Cells:
        """All cells from an instant on."""
        return await self._cells.of(user.user_id, user.erased_before, (since, _END)) or cells.NONE

    async def counterparties(
        self, user: Known, start: int, end: int
    ) -> Mapping[int, Counterparties]:
        """Messages in [start, end) by the number at the other end, for each part that has any."""
        span = (start, end, user.cut, user.today)
        return await self._counterparties.of(user.user_id, user.erased_before, span) or {}

    async def _read_slots(
        self, users: Mapping[int, ErasedBefore], span: SlotSpan
    ) -> Mapping[int, Slots]:
        found = await questions.user_slots(self._asker, users, *span)
        return {owner: Slots(own) for owner, own in by_key(found[:, 0], found[:, 1:])}

    async def _read_kinds(
        self, users: Mapping[int, ErasedBefore], span: _Span
    ) -> Mapping[int, Cells]:
        return cells.by_owner(await questions.user_kinds(self._asker, users, *span))

    async def _read_cells(
        self, users: Mapping[int, ErasedBefore], span: _Span
    ) -> Mapping[int, Cells]:
        return cells.by_owner(await questions.user_cells(self._asker, users, *span))

    async def _read_counterparties(
        self, users: Mapping[int, ErasedBefore], span: _SpanInParts
    ) -> Mapping[int, Mapping[int, Counterparties]]:
        found = await questions.user_counterparties(self._asker, users, *span)
        return {
            owner: counterparties.by_part(own) for owner, own in by_key(found[:, 0], found[:, 1:])
        }
