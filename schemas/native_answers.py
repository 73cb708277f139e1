"""Answers of ClickHouse in its Native format: block by block, as columns and never as rows.

What `schemas.native` writes, read back. A worker that starts reads a million cells of forty
columns; as Python rows that takes minutes, as columns seconds. An answer of the API is made from
tens of thousands of numbers, in milliseconds.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.native import CODES

Column = Any
"""Numbers, Enum8 as its numbers, and FixedStrings are arrays, Strings a list of UTF-8, others a
class of this module."""
_BUFFER_BYTES = 1 << 20


class Arrays(NamedTuple):
    """A column of arrays: where each row's end, and the values of all rows in a line."""

    ends: npt.NDArray[np.int64]
    values: Column


class Nullable(NamedTuple):
    """A column that may be null; the value beneath a null means nothing."""

    is_null: npt.NDArray[np.bool_]
    values: Column


class _Raw(io.RawIOBase):
    """What a buffer can be put around; an HTTP answer closes itself at its end."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._answer.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def blocks(answer: Any) -> Iterator[list[Column]]:
    """The columns of each block that has rows, in the order of the query, from a stream of bytes.

    Raises EOFError where an answer breaks off, ValueError where it is not such an answer.
    """
    stream = io.BufferedReader(_Raw(answer), _BUFFER_BYTES)
    while stream.peek(1):
        width, count = _varint(stream), _varint(stream)
        columns = []
        for _ in range(width):
            _text(stream)  # its name
            columns.append(_column(stream, _text(stream).decode(), count))
        if count:
            yield columns


def joined(parts: Sequence[list[Column]]) -> list[Column]:
    """The columns of several blocks, of numbers, FixedStrings and arrays of numbers.

    No columns where there is no block.
    """
    if len(parts) == 1:
        return parts[0]
    return [_joined(columns) for columns in zip(*parts, strict=True)]


def _joined(columns: Sequence[Column]) -> Column:
    if not isinstance(columns[0], Arrays):
        return np.concatenate(columns)
    sizes = np.cumsum([0, *(len(column.values) for column in columns[:-1])])
    ends = [column.ends + before for column, before in zip(columns, sizes, strict=True)]
    return Arrays(np.concatenate(ends), np.concatenate([column.values for column in columns]))


def _column(stream: Any, kind: str, count: int) -> Column:
    if kind == "String":
        return [_text(stream) for _ in range(count)]
    if kind.startswith("FixedString("):
        width = int(kind[len("FixedString(") : -1])
        return np.frombuffer(_bytes(stream, width * count), f"S{width}")
    if kind.startswith("Array("):
        ends = np.frombuffer(_bytes(stream, 8 * count), np.int64)
        return Arrays(
            ends, _column(stream, kind[len("Array(") : -1], int(ends[-1]) if count else 0)
        )
    if kind.startswith("Nullable("):
        is_null = np.frombuffer(_bytes(stream, count), np.bool_)
        return Nullable(is_null, _column(stream, kind[len("Nullable(") : -1], count))
    code = "b" if kind.startswith("Enum8(") else CODES.get(kind)
    if code is None:
        raise ValueError(f"ClickHouse answered with a column of type {kind[:80]!r}")
    dtype = np.dtype(code)
    return np.frombuffer(_bytes(stream, dtype.itemsize * count), dtype)


def _text(stream: Any) -> bytes:
    return _bytes(stream, _varint(stream))


def _varint(stream: Any) -> int:
    value = shift = 0
    while (byte := _bytes(stream, 1)[0]) > 0x7F:
        value |= (byte & 0x7F) << shift
        shift += 7
    return value | byte << shift


def _bytes(stream: Any, count: int) -> bytes:
    content: bytes = stream.read(count)
    if len(content) < count:
        raise EOFError("ClickHouse's answer breaks off")
    return content
