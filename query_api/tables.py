"""Reads what the tables have of users, of all who are asked about at the time in one query."""

from __future__ import annotations

from collections.abc import Mapping

from query_api import cells, counterparties, questions, slots
from query_api.cells import Cells
from query_api.counterparties import Counterparties
from query_api.known import Known
from query_api.questions import ColumnAsker, ErasedBefore, Span
from query_api.slots import Slots
from query_api.together import Together

SlotSpan = tuple[int, int, int, tuple[int, ...]]
"""Start, end, width of a slot, and the days whose slots have a quarter of an hour."""
DaySpan = tuple[int, int, bool]
"""Start, end, and whether with histograms of processing times."""
_Spans = tuple[Span, ...]
_SpanInParts = tuple[int, int, int, int]

_TOGETHER = 32
_TOGETHER_IN_MONTHS = 8
"""Users in one query about any range: a busy one has 28,000 cells of a quarter in 90 days."""


class UserTables:
    """Every method is about one user, and raises `UnavailableError`."""

    def __init__(self, asker: ColumnAsker) -> None:
        self._asker = asker
        self._slots: Together[SlotSpan, Slots] = Together(self._read_slots, _TOGETHER_IN_MONTHS)
        self._days: Together[DaySpan, Cells] = Together(self._read_days, _TOGETHER_IN_MONTHS)
        self._cells: Together[_Spans, Cells] = Together(self._read_cells, _TOGETHER)
        self._counterparties: Together[_SpanInParts, Mapping[int, Counterparties]] = Together(
            self._read_counterparties, _TOGETHER_IN_MONTHS
        )

    async def slots(self, user: Known, span: SlotSpan) -> Slots:
        """Totals over time."""
        return await self._slots.of(user.user_id, user.erased_before, span) or slots.NONE

    async def days(self, user: Known, span: DaySpan) -> Cells:
        """What the cells of whole UTC days add up to by direction, type and country."""
        return await self._days.of(user.user_id, user.erased_before, span) or cells.NONE

    async def cells(self, user: Known, *spans: Span) -> Cells:
        """All cells of up to two ranges that do not overlap."""
        return await self._cells.of(user.user_id, user.erased_before, spans) or cells.NONE

    async def counterparties(
        self, user: Known, start: int, end: int
    ) -> Mapping[int, Counterparties]:
        """Messages in [start, end) by the number at the other end, for each part that has any."""
        span = (start, end, user.cut, user.today)
        return await self._counterparties.of(user.user_id, user.erased_before, span) or {}

    async def _read_slots(
        self, users: Mapping[int, ErasedBefore], span: SlotSpan
    ) -> Mapping[int, Slots]:
        return slots.by_owner(await questions.user_slots(self._asker, users, *span))

    async def _read_days(
        self, users: Mapping[int, ErasedBefore], span: DaySpan
    ) -> Mapping[int, Cells]:
        start, end, with_times = span
        found = await questions.user_cells(
            self._asker, "user_usage_1d", users, (start, end), with_times=with_times
        )
        return cells.folded_by_owner(found)

    async def _read_cells(
        self, users: Mapping[int, ErasedBefore], spans: _Spans
    ) -> Mapping[int, Cells]:
        return cells.by_owner(
            await questions.user_cells(self._asker, "user_usage_15m", users, *spans)
        )

    async def _read_counterparties(
        self, users: Mapping[int, ErasedBefore], span: _SpanInParts
    ) -> Mapping[int, Mapping[int, Counterparties]]:
        return counterparties.by_owner(
            await questions.user_counterparties(self._asker, users, *span)
        )
