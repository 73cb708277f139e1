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
        until = min(clock.end, self._user.cut)
        days = tuple(slots.days_of(bound for bound in bounds if bound < until))
        span = (clock.start // DAY_S * DAY_S, until, slots.slot_width(clock), days)
        past, recent = await asyncio.gather(
            self._once(self._past_slots, *span), self._cells(clock.end)
        )
        return slots.joined(Slots(*past) if past else slots.NONE, slots.slots_of(recent))

    async def breakdown(self, start: int, end: int) -> Rows:
        """The user's counters by direction, type and country, in [start, end)."""
        past, recent = await asyncio.gather(
            self._once(self._past_kinds, start, min(end, self._user.cut)), self._cells(end)
        )
        before = Cells.of_past(start, *past) if past else cells.NONE
        return cells.breakdown(cells.joined(before, recent.between(start, end)))

    async def savings(self, start: int, end: int, least: int, rows: int) -> Row:
        """What the user could have saved in [start, end); see `counterparties.savings`."""
        past, recent = await asyncio.gather(
            self._once(self._past_counterparties, start, min(end, self._user.cut)),
            self._counterparties(start, end),
        )
        before = Counterparties(*past) if past else counterparties.NONE
        return counterparties.savings(counterparties.joined(before, recent), least, rows)

    async def _cells(self, end: int) -> Cells:
        """The cells since the cut; a range that ends before it needs none."""
        if end <= self._user.cut:
            return cells.NONE
        return await self._recent.cells(self._user)

    async def _counterparties(self, start: int, end: int) -> Counterparties:
        if end <= self._user.cut:
            return counterparties.NONE
        return await self._recent.counterparties(self._user, max(start, self._user.cut), end)

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

    async def _once(
        self, ask: Callable[..., Awaitable[Tables]], start: int, until: int, *more: Hashable
    ) -> Tables | None:
        """What is asked about [start, until) of the past, unless it is kept; None where there is
        no such range."""
        if start >= until:
            return None
        user = self._user
        erased = tuple(sorted(user.erased_before.items()))
        key = (ask.__name__, user.user_id, user.past, erased, start, until, *more)
        if (tables := self._kept.get(key)) is None:
            tables = await ask(start, until, *more)
            self._kept.put(key, tables)
        return tables
