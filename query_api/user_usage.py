"""What the tables say of one user, as answers about him need it.

Sums of the past and of the last days are kept for as long as they stand; only what is of today is
read again when he has a new message, and added up here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from query_api import cells, counterparties, slots
from query_api.cells import Cells
from query_api.counterparties import Counterparties
from query_api.few_cells import FewCells
from query_api.freshness import Freshness
from query_api.kept import KeptNumbers, Tables
from query_api.known import LATELY, PAST, TODAY, Known, Part, Parts
from query_api.questions import Row, Rows
from query_api.slots import Slots
from query_api.tables import UserTables
from query_api.zones import DAY_S, LocalClock


class UserUsage:
    """Asks about one user; every method raises `UnavailableError`."""

    def __init__(
        self, tables: UserTables, kept: KeptNumbers, user: Known, fresh: Freshness
    ) -> None:
        overdue_before = fresh.overdue_before
        if 0 < overdue_before < user.cut:
            # The tables are days behind: messages before the cut may still be in flight.
            user = replace(user, cut=overdue_before // DAY_S * DAY_S)
        self._tables = tables
        self._kept = kept
        self._user = user
        self._few = FewCells(tables, kept, user) if user.has_few else None

    async def slots(self, clock: LocalClock, bounds: Sequence[int]) -> Slots:
        """The user's totals by time, at least over the clock's range.

        No slot is cut by a local hour or by one of `bounds`. What is kept is of whole UTC days and
        so outlives a range that moves on with each quarter of an hour.
        """
        if self._few:
            return slots.slots_of(await self._few.since(clock.start))
        parts = self._user.parts(clock.start // DAY_S * DAY_S, clock.end)

        def lately(found: Cells) -> Tables:
            return (slots.slots_of(found).numbers,)

        past, (late, today) = await asyncio.gather(
            self._past_slots(parts, slots.slot_width(clock), bounds),
            self._recent(parts, "late slots", lately),
        )
        return slots.joined(past, Slots(*late) if late else slots.NONE, slots.slots_of(today))

    async def breakdown(self, start: int, end: int) -> Rows:
        """The user's counters by direction, type and country, in [start, end)."""
        if self._few:
            return cells.breakdown((await self._few.since(start)).between(start, end))
        parts = self._user.parts(start, end)

        def lately(found: Cells) -> Tables:
            folded = cells.folded(found)
            return folded.numbers, folded.counts

        past, (late, today) = await asyncio.gather(
            self._past_kinds(parts), self._recent(parts, "late kinds", lately)
        )
        return cells.breakdown(cells.joined(past, Cells(*late) if late else cells.NONE, today))

    async def savings(self, start: int, end: int, least: int, rows: int) -> Row:
        """What the user could have saved in [start, end); see `counterparties.savings`."""
        parts = self._user.parts(start, end)
        keys = {number: self._user.key("counterparties", part) for number, part in parts.items()}
        kept = {number: self._kept.get(key) for number, key in keys.items()}
        found = {number: Counterparties(*own) for number, own in kept.items() if own}
        if missing := [parts[number] for number in parts if number not in found]:
            since, until = missing[0].start, missing[-1].end
            read = await self._tables.counterparties(self._user, since, until)
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

    async def _past_kinds(self, parts: Parts) -> Cells:
        if (part := parts.get(PAST)) is None:
            return cells.NONE
        span = (part.start, part.end)
        key = self._user.key("kinds", part)
        return await self._kept.once(key, Cells, lambda: self._tables.kinds(self._user, *span))

    async def _recent(
        self, parts: Parts, name: str, fold: Callable[[Cells], Tables]
    ) -> tuple[Tables | None, Cells]:
        """What `fold` makes of the cells of the last days, kept by `name`, and today's cells.

        Both are read at once unless the former is kept.
        """
        late, today = parts.get(LATELY), parts.get(TODAY)
        if late is None:
            return None, await self._today(today)
        key = self._user.key(name, late)
        if kept := self._kept.get(key):
            return kept, await self._today(today)
        found = await self._tables.cells(self._user, self._user.cut)
        made = fold(found.between(late.start, late.end))
        self._kept.put(key, made)
        own = found.since(self._user.today)
        self._kept.put(self._todays_key, (own.numbers, own.counts))
        return made, own.between(today.start, today.end) if today else cells.NONE

    async def _today(self, part: Part | None) -> Cells:
        """The cells of a part of today."""
        if part is None:
            return cells.NONE
        user = self._user
        found = await self._kept.once(
            self._todays_key, Cells, lambda: self._tables.cells(user, user.today)
        )
        return found.between(part.start, part.end)

    @property
    def _todays_key(self) -> Hashable:
        return ("cells", self._user.user_id, self._user.stamp, self._user.today)
