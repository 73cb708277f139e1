"""Usage events of the usual form as columns, without a Python object for any of them.

`streams.core.decode` remains the authority on what is valid: it judges all that is not of that
form. Which form that is stands in `streams.core.compiled.events`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.core.columns import Bytes, Flags, Ints, Texts
from streams.core.compiled import shapes as compiled_shapes
from streams.core.compiled.events import (
    FIELDS,
    MAX_SHAPE_BYTES,
    NUMBERS,
    SHAPES,
    TABLES,
    WIDTH,
    gather_texts,
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

    def texts(self, field: str, places: Ints) -> list[bytes]:
        """A text of these records, which must have it."""
        column = FIELDS.index(field)
        sizes = self.sizes[places, column]
        ends = np.cumsum(sizes, dtype=np.int64)
        gathered = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
        gather_texts(self.content, self.starts[places, column], sizes, gathered)
        content = gathered.tobytes()
        spans = zip((ends - sizes).tolist(), ends.tolist(), strict=True)
        return [content[start:end] for start, end in spans]

    def have(self, field: str, places: Ints) -> Ints:
        """Which of these records have a text: places among `places`."""
        return np.flatnonzero(self.sizes[places, FIELDS.index(field)] >= 0)


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
        values.content, values.ends, values.is_none, keys.content, keys.ends, *found[1:], TABLES
    )
    return found


class ShapeIndex:
    """Codes of shapes by the bytes of their fields' values."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._count = 0
        self._slots: Ints = np.full(4096, -1, np.int64)
        self._hashes = np.zeros(1024, np.uint64)
        self._codes: Ints = np.zeros(1024, np.int64)
        self._values = np.zeros((1024, SHAPES, MAX_SHAPE_BYTES), np.uint8)
        self._sizes = np.zeros((1024, SHAPES), np.int32)

    def find(self, scanned: Scanned, is_wanted: Flags) -> tuple[Ints, int]:
        """The codes of the wanted records, −1 where not known, and how many of those there are."""
        codes = np.empty(len(is_wanted), np.int64)
        unknown = compiled_shapes.find(
            scanned.content,
            scanned.starts,
            scanned.sizes,
            is_wanted,
            self._slots,
            self._hashes,
            self._codes,
            self._values,
            self._sizes,
            codes,
        )
        return codes, int(unknown)

    def key(self, scanned: Scanned, place: int) -> tuple[bytes | None, ...]:
        """The values that the shape of a record is looked up by."""
        starts, sizes = scanned.starts[place, :SHAPES], scanned.sizes[place, :SHAPES]
        return tuple(
            None if size < 0 else scanned.content[start : start + size].tobytes()
            for start, size in zip(starts.tolist(), sizes.tolist(), strict=True)
        )

    def add(self, scanned: Scanned, place: int, code: int) -> None:
        """Remember the code of the shape of the record at `place`."""
        if self._count == len(self._codes):
            self._grow()
        row, self._count = self._count, self._count + 1
        self._codes[row] = code
        for column, value in enumerate(self.key(scanned, place)):
            text = value or b""
            self._values[row, column, : len(text)] = np.frombuffer(text, np.uint8)
        self._sizes[row] = scanned.sizes[place, :SHAPES]
        self._hashes[row] = compiled_shapes.hash_of(
            scanned.content, scanned.starts, scanned.sizes, place
        )
        compiled_shapes.put(self._slots, self._hashes, row, row + 1)

    def _grow(self) -> None:
        for name in ("_hashes", "_codes", "_values", "_sizes"):
            rows = getattr(self, name)
            setattr(self, name, np.concatenate([rows, np.zeros_like(rows)]))
        self._slots = np.full(4 * len(self._codes), -1, np.int64)
        compiled_shapes.put(self._slots, self._hashes, 0, self._count)
