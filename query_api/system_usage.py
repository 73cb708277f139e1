"""What the tables say of the whole system, as the answer about it needs it.

Sums of the past are kept for as long as nothing in it changes; the last days are read each time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from query_api import questions, slots
from query_api.at_once import at_once
from query_api.kept import KeptNumbers
from query_api.known import past_end
from query_api.questions import ColumnAsker, Page, Rows, SystemTable
from query_api.slots import Slots
from query_api.stamps import Reading
from query_api.zones import DAY_S, LocalClock


class SystemUsage:
    """Asks about the system as of a reading, at `now`; every method raises `UnavailableError`.

    `has_erased` is asked whether rows may be erased, right before some are read."""

    def __init__(
        self,
        asker: ColumnAsker,
        kept: KeptNumbers,
        reading: Reading,
        now: float,
        has_erased: Callable[[], Awaitable[bool]],
    ) -> None:
        self._asker = asker
        self._kept = kept
        self._past = reading.past
        self._has_erased = has_erased
        self._overdue_before = reading.fresh.overdue_before
        self._cut = past_end(now)

    async def slots(self, clock: LocalClock, bounds: Sequence[int]) -> Slots:
        """The system's totals by time, at least over the clock's range.

        No slot is cut by a local hour, by one of `bounds`, or by the instant before which messages
        in flight are unknown.
        """
        # What is kept is of whole UTC days, so it outlives a range that moves on.
        start = clock.start // DAY_S * DAY_S
        cut = min(max(start, self._cut), clock.end)
        width = slots.slot_width(clock)
        days = slots.days_of((*bounds, self._overdue_before))
        past, recent = await at_once(
            self._past_slots(start, cut, width, tuple(day for day in days if day * DAY_S < cut)),
            self._slots(cut, clock.end, width, days),
        )
        return slots.joined(past, recent)

    async def breakdown(self, start: int, end: int) -> Rows:
        """Counters by direction, type and country, in [start, end); up to three rows of each."""
        first, last = questions.whole_days(start, end)
        parts: tuple[tuple[SystemTable, int, int], ...] = (
            ("system_usage_15m", start, first),
            ("system_usage_1d", first, last),
            ("system_usage_15m", last, end),
        )
        asked = (
            questions.system_breakdown(self._asker, *part) for part in parts if part[1] < part[2]
        )
        return [row for rows in await at_once(*asked) for row in rows]

    async def comparison(self, start: int, end: int, page: Page, top: int) -> Rows:
        """A page of the users side by side, and the `top` who cost most."""
        has_erased = await self._has_erased()
        return await questions.user_comparison(
            self._asker, start, end, page, top, has_erased=has_erased
        )

    async def _past_slots(self, start: int, end: int, width: int, days: tuple[int, ...]) -> Slots:
        key = ("system slots", self._past, start, end, width, days)
        return await self._kept.once(key, Slots, lambda: self._slots(start, end, width, days))

    async def _slots(self, start: int, end: int, width: int, days: Sequence[int]) -> Slots:
        if start == end:
            return slots.NONE
        return slots.of_system(await questions.system_slots(self._asker, start, end, width, days))
