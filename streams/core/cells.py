"""Cells: the rolling totals of one table and one source, as columns.

A cell is a row of an integer matrix (`schemas.rows.COUNTERS`), the position of the last event
applied to it, and three sparse histograms. Cells are found by their key through a mapping; rows
of evicted cells are used again. Sums of integers only, so any grouping gives the same bytes.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.rows import COUNTERS, MAXIMA, SPARSE
from streams.core.columns import Ints
from streams.core.compiled import groups as compiled_groups
from streams.core.counts import Histograms, SparseCounts

KEY = np.dtype([("user_id", "i8"), ("bucket_s", "i8"), ("combination", "i4")])
"""User (0 in system tables), start of the bucket in s, and direction, type and country in one.

A table that does not tell types and countries apart has the first type and no country.
"""
Keys = npt.NDArray[Any]
"""An array of `KEY`."""

WIDTH = len(COUNTERS)
COLUMN = {name: index for index, name in enumerate(COUNTERS)}
MAX_COLUMNS = [COLUMN[name] for name in MAXIMA]
_MAXIMA = np.array(MAX_COLUMNS, np.int64)
_ROOM = 0.9


def combination(direction: Any, message_type: Any, country: Any) -> Any:
    """Codes of direction and type and a `country_number` as one small integer, or arrays of it."""
    return country << 2 | direction - 1 << 1 | message_type - 1


DIRECTION_ONLY = combination(2, 1, 0)
"""Which bits of a combination are those of the direction."""


def combination_parts(code: Any) -> tuple[Any, Any, Any]:
    """Direction, type and `country_number` of a `combination`, or arrays of it."""
    return (code >> 1 & 1) + 1, (code & 1) + 1, code >> 2


class CellRows(NamedTuple):
    """A copy of some cells of one table, as they were when it was taken."""

    keys: Keys
    last: Ints
    counters: Ints
    sparse: list[Histograms]


class CellTable:
    """The hot cells of one table for one source.

    `hot_from_s`: a cell that is absent and whose bucket starts at or after it is known to be
    new; an older one has to be read from ClickHouse first.
    """

    def __init__(self, rows: MutableMapping[bytes, int], hot_from_s: int = 0) -> None:
        self.rows = rows
        self.hot_from_s = hot_from_s
        self.keys: Keys = np.zeros(1024, KEY)
        self.counters: Ints = np.zeros((1024, WIDTH), np.int64)
        self.last: Ints = np.full(1024, -1, np.int64)
        self.is_dirty: npt.NDArray[np.bool_] = np.zeros(1024, np.bool_)
        self.sparse = [SparseCounts() for _ in SPARSE]
        self._used = 0
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self.rows)

    def cold(self, keys: Keys) -> Keys:
        """Those of the keys whose cells may be in ClickHouse and are not here."""
        old = keys[keys["bucket_s"] < self.hot_from_s]
        return old[[key not in self.rows for key in _bytes(old)]] if len(old) else old

    def load(self, cells: CellRows) -> None:
        """Put cells here as ClickHouse has them; those that are here already stay."""
        absent = np.array([key not in self.rows for key in _bytes(cells.keys)], np.bool_)
        rows = self.rows_of(cells.keys[absent])
        self.counters[rows] = cells.counters[absent]
        self.last[rows] = cells.last[absent]
        for counts, histograms in zip(self.sparse, cells.sparse, strict=True):
            here = np.repeat(absent, histograms.sizes)
            of_entry = np.repeat(rows, histograms.sizes[absent])
            counts.add(of_entry, histograms.keys[here], histograms.counts[here])

    def rows_of(self, keys: Keys) -> Ints:
        """The rows of distinct cells, made empty where they are new."""
        names = _bytes(keys)
        found: list[Any] = list(map(self.rows.get, names))
        if None in found:
            new = [place for place, row in enumerate(found) if row is None]
            taken = self._take(len(new))
            self.keys[taken] = keys[new]
            for place, row in zip(new, taken, strict=True):
                found[place] = self.rows[names[place]] = row
        return np.array(found, np.int64)

    def add(self, rows: Ints, deltas: Ints, last: Ints) -> None:
        """Add to distinct cells: `deltas[i]`, the last of them applied at position `last[i]`."""
        before = self.counters[rows]
        after = before + deltas
        for column in MAX_COLUMNS:
            after[:, column] = np.maximum(before[:, column], deltas[:, column])
        self.counters[rows] = after
        self.last[rows] = last
        self.is_dirty[rows] = True

    def take_dirty(self) -> CellRows | None:
        """Copy the cells that changed since the last call and mark them clean."""
        rows = np.flatnonzero(self.is_dirty[: self._used])
        if not len(rows):
            return None
        self.is_dirty[rows] = False
        return self.copy(rows)

    def copy(self, rows: Ints) -> CellRows:
        """A copy of the cells in these rows."""
        sparse = [counts.of(rows) for counts in self.sparse]
        return CellRows(self.keys[rows], self.last[rows], self.counters[rows], sparse)

    def evict(self, keep: int) -> int:
        """Drop cells of the oldest buckets once there are more than `keep`.

        Of the last of these buckets those go that changed the longest ago, since one bucket may
        have more cells than may stay. Called when all but the dirty cells are durable.
        `hot_from_s` rises past every bucket that lost a cell, so an absent cell of it is read
        back and never taken for new. Returns how many cells were dropped; some room is made, so
        as not to do it at every call.
        """
        if len(self.rows) <= keep:
            return 0
        rows = np.flatnonzero(self.last[: self._used] >= 0)
        rows = rows[np.lexsort((self.last[rows], self.keys["bucket_s"][rows]))]
        clean = rows[~self.is_dirty[rows]]
        excess = min(len(clean), len(self.rows) - int(keep * _ROOM))
        if not excess:
            return 0
        gone = clean[:excess]
        last_bucket = int(self.keys["bucket_s"][gone[-1]])
        self.hot_from_s = max(self.hot_from_s, last_bucket + 1)
        self._drop(gone)
        return len(gone)

    def forget(self, users: Ints, before: Ints) -> int:
        """Drop the cells of these users (in order) that were last changed before a position each.

        As if they had never been, whether they are durable or not; returns how many there were.
        """
        rows = np.flatnonzero(self.last[: self._used] >= 0)
        owners = self.keys["user_id"][rows]
        places = np.minimum(np.searchsorted(users, owners), len(users) - 1)
        gone = rows[(users[places] == owners) & (self.last[rows] < before[places])]
        self.is_dirty[gone] = False
        self._drop(gone)
        return len(gone)

    def write_again(self, users: Ints) -> None:
        """Have the next flush write all cells of these users once more."""
        rows = np.flatnonzero(self.last[: self._used] >= 0)
        self.is_dirty[rows[np.isin(self.keys["user_id"][rows], users)]] = True

    def _drop(self, rows: Ints) -> None:
        for name in _bytes(self.keys[rows]):
            del self.rows[name]
        for counts in self.sparse:
            counts.drop(rows)
        self.counters[rows] = 0
        self.last[rows] = -1
        self._free.extend(rows.tolist())

    def _take(self, count: int) -> list[int]:
        """Rows that no cell is in, empty."""
        again = self._free[-count:] if count else []
        del self._free[len(self._free) - len(again) :]
        first, self._used = self._used, self._used + count - len(again)
        while self._used > len(self.last):
            self._grow()
        return [*again, *range(first, self._used)]

    def _grow(self) -> None:
        size = len(self.last)
        self.keys = np.concatenate([self.keys, np.zeros(size, KEY)])
        self.counters = np.concatenate([self.counters, np.zeros((size, WIDTH), np.int64)])
        self.last = np.concatenate([self.last, np.full(size, -1, np.int64)])
        self.is_dirty = np.concatenate([self.is_dirty, np.zeros(size, np.bool_)])


def _bytes(keys: Keys) -> list[bytes]:
    names: list[bytes] = np.ascontiguousarray(keys).view(f"V{KEY.itemsize}").tolist()
    return names


class Sums(NamedTuple):
    """Deltas added up by group: the groups that have any, in order, and their last positions."""

    groups: Ints
    deltas: Ints
    last: Ints


def add_up(deltas: Ints, positions: Ints, groups: Ints, count: int) -> Sums:
    """Add up deltas by group (0 … count − 1); the two maxima are maxima of the deltas."""
    if len(groups) == count and bool((groups[1:] > groups[:-1]).all()):
        return Sums(groups, deltas, positions)
    sums = np.zeros((count, WIDTH), np.int64)
    last = np.full(count, -1, np.int64)
    compiled_groups.add_up(deltas, positions, groups, _MAXIMA, sums, last)
    there = np.flatnonzero(last >= 0)
    if len(there) < count:
        sums, last = sums[there], last[there]
    return Sums(there, sums, last)
