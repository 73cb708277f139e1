"""A hash table of shapes (`scan.ShapeIndex`), by the bytes of their fields' values."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.core.compiled.compiling import compiled, pointer
from streams.core.compiled.events import MAX_SHAPE_BYTES, SHAPES, WIDTH

_SEED, _PRIME, _END = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3), np.uint64(0xFF)


@compiled
def _hash(text: Any, start: Any, size: Any, row: int) -> Any:
    mixed = _SEED
    for column in range(row, row + SHAPES):
        first = start[column]
        for at in range(first, first + size[column]):
            mixed = (mixed ^ np.uint64(text[at])) * _PRIME
        mixed = (mixed ^ _END) * _PRIME
    return mixed ^ mixed >> np.uint64(29)


@compiled
def put(slots: Any, hashes: Any, count: int) -> None:
    """Put the first rows into the slots of their hashes, by linear probing."""
    mask = np.uint64(len(slots) - 1)
    for row in range(count):
        slot = hashes[row] & mask
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = row


@compiled
def find(
    content: Any,
    starts: Any,
    sizes: Any,
    is_wanted: Any,
    slots: Any,
    hashes: Any,
    values: Any,
    value_sizes: Any,
    count: int,
    rows: Any,
    first: int,
) -> Any:
    """Set the rows of the wanted records from `first` on, new ones for shapes not seen before.

    Returns how far it came, which is not the end if there is no room left, and how many rows
    there are.
    """
    text, start, size = pointer(content), pointer(starts), pointer(sizes)
    value, value_size = pointer(values), pointer(value_sizes)
    mask = np.uint64(len(slots) - 1)
    for record in range(first, len(is_wanted)):
        if not is_wanted[record]:
            continue
        if count == len(hashes):
            return record, count
        mixed = _hash(text, start, size, record * WIDTH)
        slot = mixed & mask
        while slots[slot] >= 0:
            row = slots[slot]
            if hashes[row] == mixed and _is_same(
                text, start, size, record * WIDTH, value, value_size, row * SHAPES
            ):
                break
            slot = (slot + np.uint64(1)) & mask
        if slots[slot] < 0:
            slots[slot], hashes[count] = count, mixed
            _keep(text, start, size, record * WIDTH, value, value_size, count * SHAPES)
            count += 1
        rows[record] = slots[slot]
    return len(is_wanted), count


@compiled
def _keep(
    text: Any, start: Any, size: Any, row: int, value: Any, value_size: Any, known: int
) -> None:
    for column in range(SHAPES):
        value_size[known + column] = size[row + column]
        first, at = start[row + column], (known + column) * MAX_SHAPE_BYTES
        for place in range(size[row + column]):
            value[at + place] = text[first + place]


@compiled
def _is_same(
    text: Any, start: Any, size: Any, row: int, value: Any, value_size: Any, known: int
) -> bool:
    for column in range(SHAPES):
        if size[row + column] != value_size[known + column]:
            return False
        first, at = start[row + column], (known + column) * MAX_SHAPE_BYTES
        for place in range(size[row + column]):
            if text[first + place] != value[at + place]:
                return False
    return True
