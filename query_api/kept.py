"""Numbers that were read before, for as long as they have not changed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from query_api.sums import Numbers

Found = TypeVar("Found")

_COLUMN_BYTES = 130
"""About what Python needs for an array besides its numbers."""

_KINDS = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64)
_LIMITS = [(kind, int(np.iinfo(kind).min), int(np.iinfo(kind).max)) for kind in _KINDS]

Tables = tuple[Numbers, ...]
_Packed = tuple[NDArray[np.integer], ...]


class KeptNumbers:
    """The most recently used numbers, each column as narrow as it can be, up to `max_bytes`; 0
    keeps none."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, tuple[tuple[_Packed, ...], int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable) -> Tables | None:
        """The tables of a key, None where they are not kept."""
        if (entry := self._kept.get(key)) is None:
            return None
        self._kept.move_to_end(key)
        return tuple(_wide(columns) for columns in entry[0])

    async def once(
        self, key: Hashable, kind: Callable[..., Found], read: Callable[[], Awaitable[Found]]
    ) -> Found:
        """What is kept by a key, as `kind` makes it of its tables; read first where it is not."""
        if kept := self.get(key):
            return kind(*kept)
        found = await read()
        self.put(key, tuple(vars(found).values()))
        return found

    def put(self, key: Hashable, tables: Sequence[Numbers]) -> None:
        """Keep the tables of a key."""
        if key in self._kept or not self._max_bytes:
            return
        packed = tuple(_narrow(table) for table in tables)
        size = sum(column.nbytes + _COLUMN_BYTES for columns in packed for column in columns)
        if size > self._max_bytes:
            return
        self._kept[key] = packed, size
        self._bytes += size
        while self._bytes > self._max_bytes:
            _, (_, oldest) = self._kept.popitem(last=False)
            self._bytes -= oldest


def _narrow(table: Numbers) -> _Packed:
    """A copy of each column in the narrowest type that holds every number."""
    if not len(table):
        return tuple(np.empty(0, np.uint8) for _ in table.T)
    ends = zip(table.min(axis=0).tolist(), table.max(axis=0).tolist(), strict=True)
    kinds = (
        next(kind for kind, least, most in _LIMITS if least <= low and high <= most)
        for low, high in ends
    )
    return tuple(column.astype(kind) for column, kind in zip(table.T, kinds, strict=True))


def _wide(columns: _Packed) -> Numbers:
    table = np.empty((len(columns[0]), len(columns)), np.int64)
    for place, column in enumerate(columns):
        table[:, place] = column
    return table
