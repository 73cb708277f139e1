"""What is known of a user before anything is read, and the parts that time has for him. Pure.

Most of what an answer is made from stays as it is: what is days old nearly always, what is of
yesterday mostly. So time is cut at two UTC midnights, and each part is read again only when
something in it, or before it, has changed.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from query_api.questions import ErasedBefore
from query_api.zones import DAY_S

_RECENT_DAYS = 4
"""More than the 72 h after which a message in flight is unknown: so in the past all of them are."""


def today_start(now: float) -> int:
    """The last UTC midnight, epoch seconds."""
    return int(now) // DAY_S * DAY_S


def past_end(now: float) -> int:
    """The UTC midnight before which a user's past lies, epoch seconds."""
    return today_start(now) - _RECENT_DAYS * DAY_S


PAST, LATELY, TODAY = range(3)


@dataclass(frozen=True)
class Part:
    """A piece of time, [start, end), that lies in one of the three parts, and the part's mark."""

    number: int
    mark: Hashable
    start: int
    end: int


Parts = Mapping[int, Part]
"""The pieces of a range, by `PAST`, `LATELY` and `TODAY`, in this order; none is empty."""


@dataclass(frozen=True)
class Known:
    """A user, and the marks of his three parts of time.

    `past` changes when anything before `cut` did, `lately` when anything before `today` did,
    `latest` when anything at all did; of what is before `erased_before` nothing is read.
    """

    user_id: int
    past: Hashable
    lately: Hashable
    latest: Hashable
    erased_before: ErasedBefore
    cut: int
    today: int

    def parts(self, start: int, end: int) -> Parts:
        """The pieces of [start, end)."""
        cuts = (start, *(min(max(start, cut), end) for cut in (self.cut, self.today)), end)
        marks = (self.past, self.lately, self.latest)
        pieces = zip(marks, cuts, cuts[1:], strict=False)
        every = (Part(number, *piece) for number, piece in enumerate(pieces))
        return {part.number: part for part in every if part.start < part.end}

    def key(self, name: str, part: Part, *more: Hashable) -> Hashable:
        """What is kept of the user in a piece of time, by its name, for as long as that stands."""
        erased = tuple(sorted(self.erased_before.items()))
        # Marks of different parts may be the same number, and mean another thing.
        return (name, self.user_id, part.number, part.mark, erased, part.start, part.end, *more)
