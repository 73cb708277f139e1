"""One user's cells as numbers, and the breakdown that they add up to. Pure.

`user_cells` gives single cells, `user_kinds` sums of the past. Histograms and error codes stand in
a table of their own, a row for each count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from query_api.questions import Columns, Rows
from query_api.sums import Numbers, by_key, groups, nothing
from schemas.rows import COUNTERS

_KEY = ("time", "is_outbound", "is_mms", "country")
_COLUMNS = (*_KEY, *COUNTERS[: COUNTERS.index("processing_max_us") + 1])
_COUNTS = (*_KEY, "is_error", "key", "number")
_ARRAYS = (("processing_bins", "processing_counts"), ("error_codes", "error_messages"))
"""By is_error."""
_KEYS = 2**31
"""More than any bin or error code."""


@dataclass(frozen=True)
class Cells:
    """Cells in any order, and a row for each bin of their histograms and each of their error codes:
    the counters of `user_cells`, and key, `is_error`, bin or code, messages."""

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
        """One of the columns of `user_cells`."""
        return self.numbers[:, _COLUMNS.index(name)]

    def total(self, names: Iterable[str]) -> Numbers:
        """The sum of some columns."""
        places = [_COLUMNS.index(name) for name in names]
        return np.asarray(self.numbers[:, places].sum(axis=1))


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
    _, order, begins = groups(_kinds(cells.numbers))
    numbers = cells.numbers[order]
    sums = np.add.reduceat(numbers, begins, axis=0)
    sums[:, : len(_KEY)] = numbers[begins, : len(_KEY)]
    sums[:, -1] = np.maximum.reduceat(numbers[:, -1], begins)
    counts = cells.counts
    if len(counts):
        _, order, begins = groups((_kinds(counts) * 2 + counts[:, -3]) * _KEYS + counts[:, -2])
        counts, ordered = counts[order[begins]], counts[order]
        counts[:, -1] = np.add.reduceat(ordered[:, -1], begins)
    return Cells(sums, counts)


def by_owner(columns: Columns) -> dict[int, Cells]:
    """The answer of `user_cells` or `user_kinds` by the users that have any."""
    if not columns:
        return {}
    width = 1 + len(_COLUMNS)
    numbers = np.array(columns[:width], np.int64).T
    bins, processed, codes, failed = columns[width:]
    counts = np.concatenate(
        (_counts(numbers, 0, bins, processed), _counts(numbers, 1, codes, failed))
    )
    counts_of = dict(by_key(counts[:, 0], counts[:, 1:]))
    return {
        owner: Cells(own, counts_of.get(owner, NONE.counts))
        for owner, own in by_key(numbers[:, 0], numbers[:, 1:])
    }


def _counts(
    numbers: Numbers, is_error: int, keys: Sequence[Sequence[int]], counts: Sequence[Sequence[int]]
) -> Numbers:
    """A row with the owner for each count of parallel arrays, one array a cell."""
    sizes = np.fromiter(map(len, keys), np.int64, len(keys))
    total = int(sizes.sum())
    flat = [np.fromiter(chain.from_iterable(some), np.int64, total) for some in (keys, counts)]
    cell = np.repeat(numbers[:, : 1 + len(_KEY)], sizes, axis=0)
    return np.column_stack((cell, np.full(total, is_error), *flat))


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
    for is_error, (keys, numbers) in enumerate(_ARRAYS):
        own = counts[(counts[:, -3] == is_error) & (counts[:, -1] != 0)]
        found |= {keys: own[:, -2].tolist(), numbers: own[:, -1].tolist()}
    return found
