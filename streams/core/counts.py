"""Sparse histograms of many cells: how often each key (an error code, a bin) occurs in each row.

Sorted columns rather than a dictionary a cell: millions of cells have a few entries each, and all
work on them is by the batch. New entries are gathered unsorted, sorted into a small `recent` part
when they are asked for, and that into the large part when it has grown (a log-structured merge).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.core.columns import Ints

_LARGE_FACTOR = 8
_SMALL = 65_536


class Histograms(NamedTuple):
    """Histograms of some rows: entries a row, then all keys (rising a row) and their counts."""

    sizes: Ints
    keys: Ints
    counts: Ints


class Part(NamedTuple):
    """Entries by place (row and key in one integer), sorted and distinct."""

    places: Ints
    counts: Ints


_EMPTY = Part(np.empty(0, np.int64), np.empty(0, np.int64))


class SparseCounts:
    """Counts by row (0 … 2^31 − 2) and key (an Int32); entries that sum up to 0 are none."""

    def __init__(self) -> None:
        self._large = _EMPTY
        self._recent = _EMPTY
        self._new: list[tuple[Ints, Ints]] = []

    def add(self, rows: Ints, keys: Ints, counts: Ints) -> None:
        """Add `counts[i]` (may be negative) to the entry of row and key i."""
        if len(rows):
            self._new.append((_places(rows, keys), counts))

    def of(self, rows: Ints) -> Histograms:
        """The histograms of distinct rows."""
        self._settle()
        parts = [_of(part, rows) for part in (self._large, self._recent)]
        which, keys, counts = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        merged = _merged(_places(which, keys), counts)
        sizes = np.bincount(merged.places >> 32, minlength=len(rows))
        return Histograms(sizes, _keys(merged.places), merged.counts)

    def drop(self, rows: Ints) -> None:
        """Forget everything about these rows."""
        self._settle()
        gone = np.zeros(int(rows.max()) + 2 if len(rows) else 1, np.bool_)
        gone[rows] = True
        self._large, self._recent = (
            Part(part.places[kept], part.counts[kept])
            for part in (self._large, self._recent)
            for kept in [~gone[np.minimum(part.places >> 32, len(gone) - 1)]]
        )

    def _settle(self) -> None:
        if self._new:
            places, counts = (np.concatenate(columns) for columns in zip(*self._new, strict=True))
            self._new.clear()
            self._recent = _merged(
                np.concatenate([self._recent.places, places]),
                np.concatenate([self._recent.counts, counts]),
            )
        if len(self._recent.places) > max(_SMALL, len(self._large.places) // _LARGE_FACTOR):
            self._large = _merged(
                np.concatenate([self._large.places, self._recent.places]),
                np.concatenate([self._large.counts, self._recent.counts]),
            )
            self._recent = _EMPTY


def _places(rows: Ints, keys: Ints) -> Ints:
    return rows << 32 | keys + (1 << 31)


def _keys(places: Ints) -> Ints:
    return (places & 0xFFFFFFFF) - (1 << 31)


def _merged(places: Ints, counts: Ints) -> Part:
    """Entries summed up by place, without those of 0."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    if not len(starts):
        return _EMPTY
    sums = np.add.reduceat(counts[order], starts)
    kept = sums != 0
    return Part(ordered[starts][kept], sums[kept])


def _of(part: Part, rows: Ints) -> tuple[Ints, Ints, Ints]:
    """Entries of rows: the index into `rows`, key and count of each."""
    first = np.searchsorted(part.places, rows << 32)
    sizes = np.searchsorted(part.places, rows + 1 << 32) - first
    which = np.repeat(np.arange(len(rows)), sizes)
    at = np.arange(len(which)) + np.repeat(first - np.cumsum(sizes) + sizes, sizes)
    return which, _keys(part.places[at]), part.counts[at]
