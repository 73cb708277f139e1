"""Numbers about users that were read before, for as long as they have not changed.

Most of what an answer is made from is days old and stays as it is, so a range of time is cut at a
UTC midnight some days ago (`past_end`): what is before is kept as sums, what is after as cells.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from query_api.sums import Numbers
from query_api.zones import DAY_S

_RECENT_DAYS = 4
"""More than the 72 h after which a message in flight is unknown: so in the past all of them are."""
_COLUMN_BYTES = 130
"""About what Python needs for an array besides its numbers."""

_KINDS = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64)

_Packed = tuple[tuple[NDArray[np.integer], ...], ...]


def past_end(now: float) -> int:
    """The UTC midnight before which a user's past lies, epoch seconds."""
    return int(now) // DAY_S * DAY_S - _RECENT_DAYS * DAY_S


class KeptNumbers:
    """The most recently used numbers, each column as narrow as it can be, up to `max_bytes`; 0
    keeps none."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, tuple[_Packed, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable) -> tuple[Numbers, ...] | None:
        """The tables of a key, None where they are not kept."""
        if (entry := self._kept.get(key)) is None:
            return None
        self._kept.move_to_end(key)
        return tuple(np.column_stack(columns).astype(np.int64) for columns in entry[0])

    def put(self, key: Hashable, tables: Sequence[Numbers]) -> None:
        """Keep the tables of a key."""
        packed = tuple(tuple(_narrow(column) for column in table.T) for table in tables)
        size = sum(column.nbytes + _COLUMN_BYTES for columns in packed for column in columns)
        if size > self._max_bytes or key in self._kept:
            return
        self._kept[key] = packed, size
        self._bytes += size
        while self._bytes > self._max_bytes:
            _, (_, oldest) = self._kept.popitem(last=False)
            self._bytes -= oldest


def _narrow(column: Numbers) -> NDArray[np.integer]:
    """A copy in the narrowest type that holds every number."""
    if not len(column):
        return np.empty(0, np.uint8)
    low, high = int(column.min()), int(column.max())
    return column.astype(next(kind for kind in _KINDS if _holds(kind, low) and _holds(kind, high)))


def _holds(kind: type[np.integer], number: int) -> bool:
    return int(np.iinfo(kind).min) <= number <= int(np.iinfo(kind).max)
