"""What the rules do with columns and numpy does not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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

    Kinds are numbered in the order of the rows, the last row first.
    """
    order = np.lexsort(keys)
    ordered = keys[:, order]
    starts = np.ones(len(order), np.bool_)
    starts[1:] = (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)
    of_each = np.empty(len(order), np.int64)
    of_each[order] = np.cumsum(starts) - 1
    return order[starts], of_each


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts: their bytes one behind the other, where each ends, and which are none."""

    content: Bytes
    ends: Ints
    is_none: Flags

    @classmethod
    def of(cls, texts: Sequence[bytes | None]) -> Texts:
        """The column of these texts."""
        present = [text or b"" for text in texts]
        sizes = np.fromiter(map(len, present), np.int64, len(present))
        is_none = np.fromiter((text is None for text in texts), np.bool_, len(texts))
        return cls(np.frombuffer(b"".join(present), np.uint8), np.cumsum(sizes), is_none)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, place: int) -> bytes | None:
        if self.is_none[place]:
            return None
        first = self.ends[place - 1] if place else 0
        return self.content[first : self.ends[place]].tobytes()

    def __iter__(self) -> Iterator[bytes | None]:
        return (self[place] for place in range(len(self)))

    def since(self, place: int) -> Texts:
        """The texts from this one on."""
        first = int(self.ends[place - 1]) if place else 0
        return Texts(self.content[first:], self.ends[place:] - first, self.is_none[place:])

    def without(self, places: Sequence[int]) -> Texts:
        """The same texts, but none in these places."""
        is_none = self.is_none.copy()
        is_none[list(places)] = True
        return Texts(self.content, self.ends, is_none)
