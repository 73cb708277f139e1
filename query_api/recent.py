"""One user's last days: all that an answer needs of them is read at once, and kept while it stands.

What is of today is read again when he has a new message; of the days before only what they come to
is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from query_api import cells, slots
from query_api.cells import Cells
from query_api.kept import KeptNumbers, Tables
from query_api.known import LATELY, TODAY, Known, Part, Parts
from query_api.questions import Span
from query_api.slots import Slots
from query_api.tables import UserTables
from query_api.zones import FOREVER


@dataclass(frozen=True)
class Recent:
    """The days before today as totals over time and as sums by kind; the cells of today, and those
    of the spans in the past that were asked for."""

    slots: Slots
    kinds: Cells
    today: Cells
    edges: Cells


class RecentCells:
    """Reads the last days of one user."""

    def __init__(self, tables: UserTables, kept: KeptNumbers, user: Known) -> None:
        self._tables = tables
        self._kept = kept
        self._user = user

    async def of(self, over_time: Parts, of_kinds: Parts, edges: Sequence[Span]) -> Recent:
        """What the parts of two ranges need, and up to two spans of the past.

        Raises `UnavailableError`.
        """
        late_slots = self._kept_late("late slots", over_time.get(LATELY))
        late_kinds = self._kept_late("late kinds", of_kinds.get(LATELY))
        today = self._kept.get(self._todays_key)
        since = FOREVER
        if late_slots is None or late_kinds is None:
            since = self._user.cut
        elif today is None and (TODAY in over_time or TODAY in of_kinds):
            since = self._user.today
        spans = [*edges, *([(since, FOREVER)] if since < FOREVER else [])]
        found = await self._tables.cells(self._user, *spans) if spans else cells.NONE
        if since < FOREVER:
            own = found.since(self._user.today)
            today = (own.numbers, own.counts)
            self._kept.put(self._todays_key, today)
        return Recent(
            Slots(*late_slots or self._fold("late slots", over_time[LATELY], found)),
            Cells(*late_kinds or self._fold("late kinds", of_kinds[LATELY], found)),
            Cells(*today or _NOTHING),
            cells.joined(cells.NONE, *(found.between(*edge) for edge in edges)),
        )

    def _kept_late(self, name: str, part: Part | None) -> Tables | None:
        """None where it has to be read."""
        return self._kept.get(self._user.key(name, part)) if part else _FOLDS[name](cells.NONE)

    def _fold(self, name: str, part: Part, found: Cells) -> Tables:
        made = _FOLDS[name](found.between(part.start, part.end))
        self._kept.put(self._user.key(name, part), made)
        return made

    @property
    def _todays_key(self) -> Hashable:
        user = self._user
        return user.key("cells", Part(TODAY, user.latest, user.today, FOREVER))


def _slots(found: Cells) -> Tables:
    return (slots.slots_of(found).numbers,)


def _kinds(found: Cells) -> Tables:
    folded = cells.folded(found)
    return folded.numbers, folded.counts


_FOLDS: Mapping[str, Callable[[Cells], Tables]] = {"late slots": _slots, "late kinds": _kinds}
_NOTHING = (cells.NONE.numbers, cells.NONE.counts)
