"""What is alike among many: columns of integers grouped, and what belongs to a group added up."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.core.compiled.compiling import compiled, pointer

_PRIME, _START = np.uint64(0x9E3779B97F4A7C15), np.uint64(0x2545F4914F6CDD1D)


@compiled
def group(keys: Any, slots: Any, firsts: Any, group_of: Any) -> int:
    """Number the columns of a matrix of integers by their kinds, in order of appearance.

    Sets `group_of` each column and `firsts`, the first column of each group; returns how many
    there are. `slots` is a hash table of −1s, of a power of two and more than the columns.
    """
    rows, columns = keys.shape
    key = pointer(keys)
    mask = np.uint64(len(slots) - 1)
    count = 0
    for column in range(columns):
        mixed = _START
        for row in range(rows):
            mixed = (mixed ^ np.uint64(key[row * columns + column])) * _PRIME
            mixed ^= mixed >> np.uint64(32)
        slot = mixed & mask
        while slots[slot] >= 0:
            first, is_same = firsts[slots[slot]], True
            for row in range(rows):
                if key[row * columns + first] != key[row * columns + column]:
                    is_same = False
            if is_same:
                break
            slot = (slot + np.uint64(1)) & mask
        if slots[slot] < 0:
            slots[slot], firsts[count] = count, column
            count += 1
        group_of[column] = slots[slot]
    return count


@compiled
def add_up(deltas: Any, positions: Any, groups: Any, maxima: Any, sums: Any, last: Any) -> None:
    """Add the rows of `deltas` to the rows of `sums` that `groups` names.

    Of the columns `maxima` the greatest counts. `last` is set to the greatest position of each.
    """
    count, width = deltas.shape
    delta, total = pointer(deltas), pointer(sums)
    for place in range(count):
        row, into = place * width, groups[place] * width
        for column in range(width):
            total[into + column] += delta[row + column]
        for column in maxima:
            value = delta[row + column]
            total[into + column] = max(total[into + column] - value, value)
        last[groups[place]] = max(last[groups[place]], positions[place])
