"""One user's cells as numbers, and the breakdown that they add up to. Pure.

`user_cells` gives them. Histograms and error codes stand in a table of their own, a row for each
count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from query_api.questions import Columns, Rows
from query_api.sums import Numbers, by_key, groups, nothing, padded, places, stacked
from schemas.native_answers import Arrays
from schemas.rows import DIRECTIONS, FREQUENT_STATUSES, MESSAGE_TYPES

_KEY = ("time", "is_outbound", "is_mms", "country")
_PLAIN = (
    *("messages", "segments", "body_length"),
    *("base_micros", "carrier_fee_micros", "failed_fee_micros", "provisional_micros"),
    *("processing_count", "processing_sum_us", "processing_max_us"),
)
_COLUMNS = (*_KEY, *(f"status_{status}" for status in FREQUENT_STATUSES), *_PLAIN)
_COUNTS = (*_KEY, "array", "key", "number")
_ARRAYS = (("error_codes", "error_messages"), ("processing_bins", "processing_counts"))
"""The parallel arrays of cells; `array` says which."""
_KINDS = 2**18
"""More than any of `_kinds`."""
_Counts = tuple[Numbers, Numbers, Numbers]
"""Columns: of which group of cells, bin or error code, messages."""


@dataclass(frozen=True)
class Cells:
    """Cells in any order, and a row for each of their error codes and each bin of their histograms:
    time, kind and counters, and the cell's time and kind, `array`, code or bin, messages."""

    numbers: Numbers
    counts: Numbers

    def between(self, start: int, end: int) -> Cells:
        """Those whose time is in [start, end)."""
        parts = (
            part[(part[:, 0] >= start) & (part[:, 0] < end)] for part in (self.numbers, self.counts)
        )
        return Cells(*parts)

    def since(self, start: int) -> Cells:
        """Those whose time is `start` or later."""
        parts = (part[part[:, 0] >= start] for part in (self.numbers, self.counts))
        return Cells(*parts)

    def column(self, name: str) -> Numbers:
        """One of the counters, or of what stands before them."""
        return self.numbers[:, _COLUMNS.index(name)]

    def total(self, names: Iterable[str]) -> Numbers:
        """The sum of some columns."""
        columns = [_COLUMNS.index(name) for name in names]
        return np.asarray(self.numbers[:, columns].sum(axis=1))


NONE = Cells(nothing(len(_COLUMNS)), nothing(len(_COUNTS)))


def joined(*parts: Cells) -> Cells:
    """The cells of several parts."""
    return Cells(
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.counts for part in parts]),
    )


def folded(cells: Cells) -> Cells:
    """A cell of each direction, type and country, with the sums of all of them."""
    if not len(cells.numbers):
        return cells
    key, counters = np.split(cells.numbers, [len(_KEY)], axis=1)
    kinds, order, begins = groups(_kinds(key))
    counts = []
    for array in range(len(_ARRAYS)):
        own = cells.counts[cells.counts[:, -3] == array]
        counts.append((np.searchsorted(kinds, _kinds(own)), own[:, -2], own[:, -1]))
    return Cells(*_sums(key[order], counters[order], begins, counts))


def by_owner(columns: Columns) -> dict[int, Cells]:
    """The answer of `user_cells` by the users that have any."""
    if not columns:
        return {}
    key, counters, arrays = _parts(columns)
    counts = [
        _table(array, _each(key, keys), keys.values, numbers.values)
        for array, (keys, numbers) in enumerate(arrays)
    ]
    return _split(stacked(key, counters), np.concatenate(counts))


def folded_by_owner(columns: Columns) -> dict[int, Cells]:
    """What `by_owner` gives, each `folded`: far quicker where there are far more counts."""
    if not columns:
        return {}
    key, counters, arrays = _parts(columns)
    codes = places(key[:, 0])[1] * _KINDS + _kinds(key[:, 1:])
    distinct, order, begins = groups(codes)
    group = np.searchsorted(distinct, codes)
    counts = [(_each(group, keys), keys.values, numbers.values) for keys, numbers in arrays]
    return _split(*_sums(key[order], counters[order], begins, counts))


def _parts(columns: Columns) -> tuple[Numbers, Numbers, tuple[tuple[Arrays, Arrays], ...]]:
    """Owner and key, counters, and by `array` the parallel arrays of keys and numbers."""
    owner, time, direction, message_type, country, *others = columns
    kind = (direction == DIRECTIONS["outbound"], message_type == MESSAGE_TYPES["mms"])
    key = stacked(owner, time, *kind, country.view("<u2"))
    plain, (statuses, *arrays) = others[: len(_PLAIN)], others[len(_PLAIN) :]
    counters = stacked(padded(statuses, len(FREQUENT_STATUSES)), *plain)
    return key, counters, tuple(zip(arrays[::2], arrays[1::2], strict=True))


def _each(rows: Numbers, arrays: Arrays) -> Numbers:
    """The row of each value of arrays, one array a row."""
    return np.repeat(rows, np.diff(arrays.ends, prepend=0), axis=0)


def _sums(
    key: Numbers, counters: Numbers, begins: Numbers, counts: Iterable[_Counts]
) -> tuple[Numbers, Numbers]:
    """The sums of groups of cells, which lie one behind the other, and of their counts."""
    first = key[begins]
    sums = np.add.reduceat(counters, begins, axis=0)
    sums[:, -1] = np.maximum.reduceat(counters[:, -1], begins)
    tables = []
    for array, (group, keys, numbers) in enumerate(counts):
        distinct, place = places(keys)
        codes, code = places(group * len(distinct) + place)
        # Floating-point sums of whole numbers are exact below 2**53.
        total = np.bincount(code, numbers)
        own, of_key = np.divmod(codes, max(len(distinct), 1))
        tables.append(_table(array, first[own], distinct[of_key], total))
    return stacked(first, sums), np.concatenate(tables)


def _table(array: int, key: Numbers, keys: Numbers, numbers: Numbers) -> Numbers:
    """Rows of `Cells.counts`, their key as given."""
    return stacked(key, np.full(len(keys), array), keys, numbers)


def _split(numbers: Numbers, counts: Numbers) -> dict[int, Cells]:
    """Cells and their counts by the owner that stands before them."""
    counts_of = dict(by_key(counts[:, 0], counts[:, 1:]))
    return {
        owner: Cells(own, counts_of.get(owner, NONE.counts))
        for owner, own in by_key(numbers[:, 0], numbers[:, 1:])
    }


def breakdown(cells: Cells) -> Rows:
    """A row per direction, message type and country, for `query_api.breakdown`: sums, the longest
    processing time, and parallel arrays of bins and of error codes with their messages."""
    if not len(cells.numbers):
        return []
    sums = folded(cells)
    kinds = _kinds(sums.numbers)
    counts = {kind: _arrays(own) for kind, own in by_key(_kinds(sums.counts), sums.counts)}
    empty = _arrays(NONE.counts)
    return [
        _key(kind) | dict(zip(_COLUMNS[len(_KEY) :], row, strict=True)) | counts.get(kind, empty)
        for kind, row in zip(kinds.tolist(), sums.numbers[:, len(_KEY) :].tolist(), strict=True)
    ]


def _kinds(numbers: Numbers) -> Numbers:
    """Direction, type and country as one number; rising by country, direction, type."""
    is_outbound, is_mms, country = numbers[:, 1:4].T
    return np.asarray(country * 4 + is_outbound * 2 + is_mms)


def _key(kind: int) -> dict[str, Any]:
    direction, message_type = ("outbound" if kind & 2 else "inbound", "mms" if kind & 1 else "sms")
    return {"direction": direction, "message_type": message_type, "country": country_of(kind // 4)}


def country_of(code: int) -> str:
    """The letters of a country that came as a number."""
    return code.to_bytes(2, "little").rstrip(b"\0").decode()


def _arrays(counts: Numbers) -> dict[str, list[int]]:
    """The histogram and the error codes of one kind's sums."""
    found: dict[str, list[int]] = {}
    for array, (keys, numbers) in enumerate(_ARRAYS):
        own = counts[(counts[:, -3] == array) & (counts[:, -1] != 0)]
        found |= {keys: own[:, -2].tolist(), numbers: own[:, -1].tolist()}
    return found
