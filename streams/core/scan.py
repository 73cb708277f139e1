"""Usage events of the usual form as columns, without a Python object for any of them.

`streams.core.decode` remains the authority on what is valid: it judges all that is not of that
form. Which form that is stands in `streams.core.compiled.events`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.core.columns import NO_TEXTS, Bytes, Flags, Ints, Texts
from streams.core.compiled import shapes as compiled_shapes
from streams.core.compiled.events import (
    FIELDS,
    MAX_SHAPE_BYTES,
    NUMBERS,
    SHAPES,
    TABLES,
    WIDTH,
    scan_events,
)


class Scanned(NamedTuple):
    """What a batch of values holds; where `is_usual` is false, the other columns say nothing.

    `has_key`: the record's key is its user's id or phone number. `numbers` has a column for each
    of `NUMBERS`, `processing_us` is −1 for none. `starts` and `sizes` have a column for each of
    `FIELDS`: where its text lies in `content`, of size −1 if absent or null; a shape's values have
    their quotes.
    """

    content: Bytes
    is_usual: Flags
    has_key: Flags
    numbers: Ints
    occurred_ms: Ints
    processing_us: Ints
    starts: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int32]

    def number(self, field: str, places: Ints) -> Ints:
        """A field of `NUMBERS` of these records."""
        column: Ints = self.numbers[places, NUMBERS.index(field)]
        return column

    def texts(self, field: str, places: Ints) -> Texts:
        """A text of these records; a column of none where not one of them has it."""
        column = FIELDS.index(field)
        sizes = self.sizes[places, column].astype(np.int64)
        if not (sizes >= 0).any():
            return NO_TEXTS
        return Texts(self.content, self.starts[places, column].astype(np.int64), sizes)


def scan(values: Texts, keys: Texts) -> Scanned:
    """What the records with these values and keys hold."""
    count = len(values)
    found = Scanned(
        values.content,
        np.zeros(count, np.bool_),
        np.zeros(count, np.bool_),
        np.empty((count, len(NUMBERS)), np.int64),
        np.zeros(count, np.int64),
        np.empty(count, np.int64),
        np.empty((count, WIDTH), np.int32),
        np.empty((count, WIDTH), np.int32),
    )
    scan_events(
        values.content,
        values.starts,
        values.sizes,
        keys.content,
        keys.starts,
        keys.sizes,
        *found[1:],
        TABLES,
    )
    return found


class ShapeIndex:
    """Codes of shapes by the bytes of their fields' values: a row for each that was seen."""

    def __init__(self) -> None:
        self.clear()

    def __len__(self) -> int:
        return self._count

    def clear(self) -> None:
        """Forget all."""
        self._count = 0
        self._slots: Ints = np.full(4096, -1, np.int64)
        self._hashes = np.zeros(1024, np.uint64)
        self._values = np.zeros((1024, SHAPES, MAX_SHAPE_BYTES), np.uint8)
        self._sizes = np.zeros((1024, SHAPES), np.int64)
        self.codes: Ints = np.full(1024, -1, np.int64)

    def rows(self, scanned: Scanned) -> Ints:
        """The row of each record of the usual form, −1 for others; `codes` has −1 for new rows."""
        rows = np.full(len(scanned.is_usual), -1, np.int64)
        done = 0
        while done < len(rows):
            done, self._count = compiled_shapes.find(
                scanned.content,
                scanned.starts,
                scanned.sizes,
                scanned.is_usual,
                self._slots,
                self._hashes,
                self._values,
                self._sizes,
                self._count,
                rows,
                done,
            )
            if self._count == len(self.codes):
                self._grow()
        return rows

    def _grow(self) -> None:
        for name, empty in (("_hashes", 0), ("_values", 0), ("_sizes", 0), ("codes", -1)):
            rows = getattr(self, name)
            setattr(self, name, np.concatenate([rows, np.full_like(rows, empty)]))
        self._slots = np.full(4 * len(self.codes), -1, np.int64)
        compiled_shapes.put(self._slots, self._hashes, self._count)
