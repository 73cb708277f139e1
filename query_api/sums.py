"""ClickHouse's columns as matrices of whole numbers, and their sums by key. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.native_answers import Arrays

Value = TypeVar("Value", np.int64, np.float64)
Numbers = NDArray[np.int64]
"""Rows by columns, or one column."""
Floats = NDArray[np.float64]
"""A column."""

_SMALL = 2**20


def nothing(columns: int) -> Numbers:
    """No rows of so many columns."""
    return np.empty((0, columns), np.int64)


def stacked(*columns: NDArray[Any]) -> Numbers:
    """Columns of whole numbers and matrices of them, side by side; 64 bits are kept as they are."""
    wide = [column if column.ndim == 2 else column[:, None] for column in columns]
    numbers = np.empty((len(wide[0]), sum(column.shape[1] for column in wide)), np.int64)
    place = 0
    for column in wide:
        numbers[:, place : (place := place + column.shape[1])] = column
    return numbers


def padded(arrays: Arrays, width: int) -> Numbers:
    """A row for each of the arrays, none of which is longer than `width`, with zeros behind it."""
    sizes = np.diff(arrays.ends, prepend=0)
    rows = np.zeros((len(sizes), width), np.int64)
    rows[np.arange(width) < sizes[:, None]] = arrays.values
    return rows


def groups(keys: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """The distinct keys in rising order, an order of the rows in which equal keys are neighbours,
    and where in it each key begins."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    return ordered[begins], order, begins


def places(keys: NDArray[Any]) -> tuple[NDArray[Any], Numbers]:
    """The distinct keys in rising order, and the place of each key among them.

    As `np.unique` gives them, ten times as fast where keys are few or small.
    """
    if not len(keys) or keys.min() < 0 or keys.max() >= _SMALL:
        return np.unique(keys, return_inverse=True)
    is_there = np.zeros(int(keys.max()) + 1, np.bool_)
    is_there[keys] = True
    return np.flatnonzero(is_there), (np.cumsum(is_there) - 1)[keys]


def summed(keys: Numbers, values: NDArray[Value]) -> tuple[Numbers, NDArray[Value]]:
    """The distinct keys in rising order, and the sums of their rows of `values`."""
    if not len(keys):
        return keys, values
    distinct, order, begins = groups(keys)
    return distinct, np.add.reduceat(values[order], begins, axis=0)


def by_key(keys: Numbers, values: Numbers) -> Iterator[tuple[int, Numbers]]:
    """Each distinct key in rising order with its rows of `values`."""
    if len(keys) and (keys == keys[0]).all():
        yield int(keys[0]), values
    elif len(keys):
        distinct, order, begins = groups(keys)
        yield from zip(distinct.tolist(), np.split(values[order], begins[1:]), strict=True)
