"""What the tables say of one user, as answers about him need it.

Sums of the past are kept for as long as they stand; those of the last days are added to them here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from query_api import cells, counterparties, questions, slots
from query_api.at_once import at_once
from query_api.cells import Cells
from query_api.counterparties import Counterparties
from query_api.freshness import Freshness
from query_api.kept import KeptNumbers
from query_api.known import PAST, Known, Parts
from query_api.questions import Row, Rows
from query_api.recent import Recent, RecentCells
from query_api.slots import Slots
from query_api.tables import UserTables
from query_api.zones import DAY_S, LocalClock


class UserUsage:
    """Asks about one user; every method raises `UnavailableError`."""

    def __init__(
        self,
        tables: UserTables,
        kept: KeptNumbers,
        user: Known,
        fresh: Freshness,
    ) -> None:
        overdue_before = fresh.overdue_before
        if 0 < overdue_before < user.cut:
            # The tables are days behind: messages before the cut may still be in flight.
            user = replace(user, cut=overdue_before // DAY_S * DAY_S)
        self._tables = tables
        self._kept = kept
        self._user = user
        self._recent = RecentCells(tables, kept, user)

    async def totals(
        self,
        clock: LocalClock,
        bounds: Sequence[int],
        start: int,
        end: int,
        *,
        with_times: bool = True,
    ) -> tuple[Slots, Rows]:
        """The user's totals by time, at least over the clock's range, and his counters by
        direction, type and country in [start, end), with all histograms of processing times or
        only some of them.

        No slot is cut by a local hour or by one of `bounds`. What is kept is of whole UTC days and
        so outlives a range that moves on with each quarter of an hour.
        """
        over_time = self._user.parts(clock.start // DAY_S * DAY_S, clock.end)
        of_kinds = self._user.parts(start, end)
        past, (kinds, recent) = await at_once(
            self._past_slots(over_time, slots.slot_width(clock), bounds),
            self._past_kinds_and_recent(over_time, of_kinds, with_times),
        )
        today = recent.today.between(start, end)
        totals = slots.joined(past, recent.slots, slots.slots_of(recent.today))
        return totals, cells.breakdown(cells.joined(kinds, recent.kinds, today))

    async def savings(self, start: int, end: int, least: int, rows: int) -> Row:
        """What the user could have saved in [start, end); see `counterparties.savings`."""
        parts = self._user.parts(start, end)
        keys = {number: self._user.key("counterparties", part) for number, part in parts.items()}
        kept = {number: self._kept.get(key) for number, key in keys.items()}
        found = {number: Counterparties(*own) for number, own in kept.items() if own}
        if missing := [parts[number] for number in parts if number not in found]:
            span = (missing[0].start, missing[-1].end)
            read = await self._tables.counterparties(self._user, *span)
            for number in (part.number for part in missing):
                found[number] = read.get(number, counterparties.NONE)
                self._kept.put(keys[number], (found[number].numbers,))
        return counterparties.savings(counterparties.joined(*found.values()), least, rows)

    async def _past_slots(self, parts: Parts, width: int, bounds: Sequence[int]) -> Slots:
        if (part := parts.get(PAST)) is None:
            return slots.NONE
        days = tuple(slots.days_of(bound for bound in bounds if bound < part.end))
        span = (part.start, part.end, width, days)
        key = self._user.key("slots", part, width, days)
        return await self._kept.once(key, Slots, lambda: self._tables.slots(self._user, span))

    async def _past_kinds_and_recent(
        self, over_time: Parts, of_kinds: Parts, with_times: bool
    ) -> tuple[Cells, Recent]:
        """Cells that add up to the past of the second range, and what both need of the last days.

        The hours before and behind the past's whole days are read with the last days.
        """
        if (part := of_kinds.get(PAST)) is None:
            return cells.NONE, await self._recent.of(over_time, of_kinds, ())
        full = self._user.key("kinds", part)
        own = full if with_times else self._user.key("kinds without times", part)
        if kept := self._kept.get(full) or self._kept.get(own):
            return Cells(*kept), await self._recent.of(over_time, of_kinds, ())
        days = questions.whole_days(part.start, part.end)
        edges = [edge for edge in ((part.start, days[0]), (days[1], part.end)) if edge[0] < edge[1]]
        found, recent = await at_once(
            self._days(*days, with_times), self._recent.of(over_time, of_kinds, edges)
        )
        past = cells.folded(cells.joined(found, recent.edges))
        self._kept.put(own, (past.numbers, past.counts))
        return past, recent

    async def _days(self, start: int, end: int, with_times: bool) -> Cells:
        if start == end:
            return cells.NONE
        return await self._tables.days(self._user, (start, end, with_times))
