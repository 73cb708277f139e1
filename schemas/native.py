"""ClickHouse's Native format: columns of numbers and texts as the bytes of one block.

Raw bytes rather than the client's row or column inserts: the counters are already columns of one
matrix, so a block is a few memory copies. https://clickhouse.com/docs/interfaces/formats/Native
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


class Block:
    """One block being built; every column must have `count` values."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.names: list[str] = []
        self._parts: list[bytes] = []

    def numbers(self, name: str, kind: str, values: Any) -> None:
        """Integers as ClickHouse type `kind` (also Bool and Enum8, given as Int8)."""
        self._column(name, kind, _packed(kind, values))

    def nullable(self, name: str, kind: str, values: Any, is_null: npt.NDArray[np.bool_]) -> None:
        """Integers, or null where `is_null`."""
        filled = np.where(is_null, 0, np.asarray(values, np.dtype(CODES[kind])))
        self._column(name, f"Nullable({kind})", is_null.tobytes() + _packed(kind, filled))

    def texts(self, name: str, values: Sequence[bytes]) -> None:
        """Strings in UTF-8, each with its length before it."""
        lengths = {length: _varint(length) for length in set(map(len, values))}
        if len(lengths) == 1:
            (length,) = lengths.values()
            content = length + length.join(values)
        else:
            content = b"".join([lengths[len(text)] + text for text in values])
        self._column(name, "String", content)

    def fixed_texts(self, name: str, values: Any) -> None:
        """An array of dtype `S…`, padded with zero bytes to its width."""
        content = np.ascontiguousarray(values).tobytes()
        self._column(name, f"FixedString({values.dtype.itemsize})", content)

    def arrays(self, name: str, kind: str, ends: npt.NDArray[Any], values: Any) -> None:
        """Arrays: `values` of all rows in a line, and the index where each row's end."""
        offsets = ends.astype("<u8").tobytes()
        inner = kind.removeprefix("Nullable(").removesuffix(")")
        nulls = b""
        if inner != kind:
            nulls = bytes(value is None for value in values)
            values = [0 if value is None else value for value in values]
        self._column(name, f"Array({kind})", offsets + nulls + _packed(inner, values))

    def to_bytes(self) -> bytes:
        """The block: number of columns, number of rows, then each column."""
        return b"".join([_varint(len(self.names)), _varint(self.count), *self._parts])

    def _column(self, name: str, kind: str, content: bytes) -> None:
        self.names.append(name)
        for text in (name, kind):
            self._parts.append(_varint(len(text)) + text.encode())
        self._parts.append(content)


# Type codes of numpy and of the standard library's array, which packs lists the fastest.
CODES = {
    "Int8": "b",
    "UInt8": "B",
    "UInt16": "H",
    "Int32": "i",
    "UInt32": "I",
    "Int64": "q",
    "UInt64": "Q",
    "DateTime": "I",  # as ClickHouse names it in an answer
    "DateTime('UTC')": "I",
    "DateTime64(3, 'UTC')": "q",
}


def _packed(kind: str, values: Any) -> bytes:
    code = CODES[kind]
    if isinstance(values, np.ndarray):
        return values.astype(np.dtype(code), copy=False).tobytes()
    return array(code, values).tobytes()


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
