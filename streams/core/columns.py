"""What the rules do with columns and numpy does not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.core.compiled.groups import group
from streams.core.compiled.spans import gather as gather_texts

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Records = npt.NDArray[Any]
"""An array of a structured dtype."""


def as_bytes(records: Records) -> Records:
    """The same records as opaque bytes: copied as such, and not field by field."""
    return records.view(f"V{records.dtype.itemsize}")


def gather(records: Records, rows: Ints) -> Records:
    """A copy of the records in these rows."""
    gathered: Records = as_bytes(records).take(rows).view(records.dtype)
    return gathered


def distinct(keys: Ints) -> tuple[Ints, Ints]:
    """Of the columns of a matrix: where the first of each kind is, and the kind of each.

    Kinds are numbered in order of appearance.
    """
    count = keys.shape[1]
    slots = np.full(1 << (2 * count).bit_length(), -1, np.int64)
    firsts, of_each = np.empty(count, np.int64), np.empty(count, np.int64)
    kinds = group(keys, slots, firsts, of_each)
    return firsts[:kinds], of_each


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts that lie in `content`: where each starts, and its size, −1 for none."""

    content: Bytes
    starts: Ints
    sizes: Ints

    @classmethod
    def of(cls, texts: Sequence[bytes | None]) -> Texts:
        """The column of these texts."""
        sizes = [-1 if text is None else len(text) for text in texts]
        joined = b"".join(text for text in texts if text is not None)
        # Of memory that may be written to, like any other: loops are compiled for that alone.
        content = np.frombuffer(bytearray(joined), np.uint8)
        return cls._packed(content, np.array(sizes, np.int64))

    @classmethod
    def _packed(cls, content: Bytes, sizes: Ints) -> Texts:
        present = np.maximum(sizes, 0)
        return cls(content, np.cumsum(present) - present, sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, place: int) -> bytes | None:
        first, size = self.starts[place], self.sizes[place]
        return None if size < 0 else self.content[first : first + size].tobytes()

    def __iter__(self) -> Iterator[bytes | None]:
        packed = self.packed()
        content, ends = packed.content.tobytes(), packed.starts + packed.sizes
        spans = zip(packed.starts.tolist(), ends.tolist(), strict=True)
        return (content[start:end] if start <= end else None for start, end in spans)

    def packed(self) -> Texts:
        """The same texts, one behind the other in memory of their own."""
        content = np.empty(int(np.maximum(self.sizes, 0).sum()), np.uint8)
        gather_texts(self.content, self.starts, self.sizes, content)
        return self._packed(content, self.sizes)

    def there(self) -> Ints:
        """The places of the texts that are not none."""
        return np.flatnonzero(self.sizes >= 0)

    def take(self, places: Ints) -> Texts:
        """The texts at these places, in order."""
        return Texts(self.content, self.starts[places], self.sizes[places])

    def since(self, place: int) -> Texts:
        """The texts from this one on."""
        return Texts(self.content, self.starts[place:], self.sizes[place:])

    def without(self, places: Sequence[int]) -> Texts:
        """The same texts, but none in these places."""
        sizes = self.sizes.copy()
        sizes[list(places)] = -1
        return Texts(self.content, self.starts, sizes)

    def followed_by(self, other: Texts) -> Texts:
        """These texts and others behind them."""
        both = self.packed(), other.packed()
        content, sizes = (
            np.concatenate([getattr(part, name) for part in both]) for name in ("content", "sizes")
        )
        return self._packed(content, sizes)


NO_TEXTS = Texts.of([])


def nothing(count: int) -> Texts:
    """A column of texts of which none is there."""
    return Texts(NO_TEXTS.content, np.zeros(count, np.int64), np.full(count, -1, np.int64))
