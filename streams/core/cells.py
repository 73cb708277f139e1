"""Cells: the rolling totals of one table and one source, as columns.

A cell is a row of an integer matrix (`schemas.rows.COUNTERS`), the position of the last event
applied to it, and three sparse histograms. Cells are found by an integer key through a mapping;
rows of evicted cells are used again. Sums of integers only, so any grouping gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.rows import COUNTERS, MAXIMA

Ints = npt.NDArray[np.int64]
Key = tuple[int, int, int]
"""(user id or 0, bucket start in ms, combination of direction, type and country)."""
Sparse = dict[int, int]

WIDTH = len(COUNTERS)
COLUMN = {name: index for index, name in enumerate(COUNTERS)}
_MAX_COLUMNS = [COLUMN[name] for name in MAXIMA]


class CellTable:
    """The hot cells of one table for one source.

    `hot_from_ms`: a cell that is absent and whose bucket starts at or after it is known to be
    new; an older one has to be read from ClickHouse first.
    """

    def __init__(self, rows: MutableMapping[Key, int], hot_from_ms: int) -> None:
        self.rows = rows
        self.hot_from_ms = hot_from_ms
        self.counters: Ints = np.zeros((1024, WIDTH), np.int64)
        self.last: Ints = np.full(1024, -1, np.int64)
        self.sparse: tuple[list[Sparse | None], ...] = ([], [], [])
        self.keys: list[Key | None] = []
        self.dirty: set[int] = set()
        self._by_bucket: dict[int, list[Key]] = {}
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self.rows)

    def is_cold(self, key: Key) -> bool:
        """Whether this cell may be in ClickHouse and is not here."""
        return key[1] < self.hot_from_ms and key not in self.rows

    def row(self, key: Key) -> int:
        """The row of a cell, made empty if it is new."""
        row = self.rows.get(key)
        return self._add(key) if row is None else row

    def load(
        self, key: Key, last: int, counters: Sequence[int], sparse: tuple[Sparse, Sparse, Sparse]
    ) -> None:
        """Put a cell here as ClickHouse has it; one that is here already stays."""
        if key not in self.rows:
            row = self._add(key)
            self.counters[row] = counters
            self.last[row] = last
            for kind, histogram in enumerate(sparse):
                self.sparse[kind][row] = histogram or None

    def rows_of(self, keys: Sequence[Key]) -> Ints:
        """The rows of cells, made empty where they are new."""
        found = list(map(self.rows.get, keys))
        if None in found:
            for index, row in enumerate(found):
                if row is None:
                    found[index] = self._add(keys[index])
        return np.array(found, np.int64)

    def add(self, rows: Ints, deltas: Ints, last: Ints) -> None:
        """Add to distinct cells: `deltas[i]`, the last of them applied at position `last[i]`."""
        before = self.counters[rows]
        after = before + deltas
        for column in _MAX_COLUMNS:
            after[:, column] = np.maximum(before[:, column], deltas[:, column])
        self.counters[rows] = after
        self.last[rows] = last
        self.dirty.update(rows.tolist())

    def count(self, kind: int, entries: Iterable[tuple[int, int]]) -> None:
        """Count (row, code or bin) in the sparse histogram `kind` of `schemas.rows.SPARSE`."""
        histograms = self.sparse[kind]
        for row, key in entries:
            histogram = histograms[row]
            if histogram is None:
                histograms[row] = {key: 1}
            else:
                histogram[key] = histogram.get(key, 0) + 1

    def evict(self, keep: int) -> None:
        """Drop whole buckets, the oldest first, until at most `keep` cells are left.

        Called when all but the dirty cells are durable. `hot_from_ms` rises past every bucket
        that lost a cell, so an absent cell of it is read back and never taken for new.
        """
        if len(self.rows) <= keep:
            return
        for bucket in sorted(self._by_bucket):
            if len(self.rows) <= keep:
                return
            stay = [key for key in self._by_bucket[bucket] if not self._drop(key)]
            if stay:
                self._by_bucket[bucket] = stay
            else:
                del self._by_bucket[bucket]
            self.hot_from_ms = max(self.hot_from_ms, bucket + 1)

    def _drop(self, key: Key) -> bool:
        row = self.rows[key]
        if row in self.dirty:
            return False
        del self.rows[key]
        self.keys[row] = None
        for histograms in self.sparse:
            histograms[row] = None
        self.counters[row] = 0
        self.last[row] = -1
        self._free.append(row)
        return True

    def _add(self, key: Key) -> int:
        if self._free:
            row = self._free.pop()
            self.keys[row] = key
        else:
            row = len(self.keys)
            self.keys.append(key)
            errors, processing, latency = self.sparse
            errors.append(None)
            processing.append(None)
            latency.append(None)
            if row == len(self.last):
                self._grow()
        self.rows[key] = row
        bucket = self._by_bucket.get(key[1])
        if bucket is None:
            self._by_bucket[key[1]] = [key]
        else:
            bucket.append(key)
        return row

    def _grow(self) -> None:
        size = len(self.last)
        self.counters = np.concatenate([self.counters, np.zeros((size, WIDTH), np.int64)])
        self.last = np.concatenate([self.last, np.full(size, -1, np.int64)])


class Sums(NamedTuple):
    """Deltas added up by group: the groups that have any, in order, and their last positions."""

    groups: Ints
    deltas: Ints
    last: Ints


def add_up(deltas: Ints, positions: Ints, groups: Ints, count: int) -> Sums:
    """Add up deltas by group (0 … count − 1); the two maxima are maxima of the deltas."""
    if len(groups) == count and bool((groups[1:] > groups[:-1]).all()):
        return Sums(groups, deltas, positions)
    order = np.argsort(groups.astype(np.uint16) if count < 65536 else groups, kind="stable")
    ordered, grouped = groups[order], deltas[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    added = np.add.reduceat(grouped, starts, axis=0) if len(starts) else grouped
    for column in _MAX_COLUMNS if len(starts) else ():
        added[:, column] = np.maximum.reduceat(grouped[:, column], starts)
    last = np.maximum.reduceat(positions[order], starts) if len(starts) else positions
    return Sums(ordered[starts], added, last)
