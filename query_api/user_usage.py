"""What the tables say of one user, as answers about him need it.

The past comes as sums that are kept, the days since as cells that are read for many users at once;
both are added up here. So a new message of the user's costs a share of one query.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any

from query_api import cells, counterparties, questions, slots
from query_api.cells import Cells
from query_api.counterparties import Counterparties
from query_api.freshness import Freshness
from query_api.past import KeptNumbers
from query_api.questions import Asker, Row, Rows
from query_api.recent import Known, Recent
from query_api.shown import Shown
from query_api.slots import Slots
from query_api.sums import Numbers
from query_api.zones import DAY_S, LocalClock

Tables = tuple[Numbers, ...]


class UserUsage:
    """Asks about one user; every method raises `UnavailableError`."""

    def __init__(
        self,
        asker: Asker,
        recent: Recent,
        kept: KeptNumbers,
        user: Known,
        fresh: Freshness,
    ) -> None:
        overdue_before = fresh.overdue_before
        if 0 < overdue_before < user.cut:
            # The tables are days behind: messages before the cut may still be in flight.
            user = replace(user, cut=overdue_before // DAY_S * DAY_S)
        self._user = user
        self._recent = recent
        self._kept = kept
        self._asker = asker
        self._shown = Shown(asker, user.erased_before)

    async def slots(self, clock: LocalClock, bounds: Sequence[int]) -> Slots:
        """The user's totals by time, at least over the clock's range.

        No slot is cut by a local hour or by one of `bounds`. What is kept is of whole UTC days and
        so outlives a range that moves on with each quarter of an hour.
        """
        user = self._user
        past, recent = slots.NONE, slots.NONE
        if clock.end > user.cut:
            recent = slots.slots_of(await self._recent.cells(user))
        if clock.start < (end := min(clock.end, user.cut)):
            days = tuple(slots.days_of(bound for bound in bounds if bound < end))
            span = (clock.start // DAY_S * DAY_S, end, slots.slot_width(clock))
            past = Slots(*await self._once(self._past_slots, *span, days))
        return slots.joined(past, recent)

    async def breakdown(self, start: int, end: int) -> Rows:
        """The user's counters by direction, type and country, in [start, end)."""
        user = self._user
        past, recent = cells.NONE, cells.NONE
        if end > user.cut:
            recent = (await self._recent.cells(user)).between(start, end)
        if start < (until := min(end, user.cut)):
            past = Cells.of_past(start, *await self._once(self._past_kinds, start, until))
        return cells.breakdown(cells.joined(past, recent))

    async def savings(self, start: int, end: int, least: int, rows: int) -> Row:
        """What the user could have saved in [start, end); see `counterparties.savings`."""
        user = self._user
        past, recent = counterparties.NONE, counterparties.NONE
        if end > user.cut:
            recent = await self._recent.counterparties(user, max(start, user.cut), end)
        if start < (until := min(end, user.cut)):
            past = Counterparties(*await self._once(self._past_counterparties, start, until))
        return counterparties.savings(counterparties.joined(past, recent), least, rows)

    async def _past_slots(self, *span: Any) -> Tables:
        return (await questions.user_slots(self._shown, self._user.user_id, *span),)

    async def _past_kinds(self, *span: Any) -> Tables:
        return tuple(
            await asyncio.gather(
                questions.user_kinds(self._shown, self._user.user_id, *span),
                questions.user_kind_counts(self._shown, self._user.user_id, *span),
            )
        )

    async def _past_counterparties(self, *span: Any) -> Tables:
        users = {self._user.user_id: self._user.erased_before}
        return ((await questions.user_counterparties(self._asker, users, *span))[:, 1:],)

    async def _once(self, ask: Callable[..., Awaitable[Tables]], *span: Hashable) -> Tables:
        """What is asked about the past, unless it is kept."""
        user = self._user
        erased = tuple(sorted(user.erased_before.items()))
        key = (ask.__name__, user.user_id, user.past, erased, *span)
        if (tables := self._kept.get(key)) is None:
            tables = await ask(*span)
            self._kept.put(key, tables)
        return tables
