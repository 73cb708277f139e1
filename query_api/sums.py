"""Whole numbers in columns and their sums by key, as ClickHouse's GROUP BY gives them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value", np.int64, np.float64)
Numbers = NDArray[np.int64]
"""Rows by columns, or one column."""
Floats = NDArray[np.float64]
"""A column."""


def nothing(columns: int) -> Numbers:
    """No rows of so many columns."""
    return np.empty((0, columns), np.int64)


def groups(keys: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """The distinct keys in rising order, an order of the rows in which equal keys are neighbours,
    and where in it each key begins."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    return ordered[begins], order, begins


def summed(keys: Numbers, values: NDArray[Value]) -> tuple[Numbers, NDArray[Value]]:
    """The distinct keys in rising order, and the sums of their rows of `values`."""
    if not len(keys):
        return keys, values
    distinct, order, begins = groups(keys)
    return distinct, np.add.reduceat(values[order], begins, axis=0)


def by_key(keys: Numbers, values: Numbers) -> Iterator[tuple[int, Numbers]]:
    """Each distinct key in rising order with its rows of `values`."""
    if len(keys):
        distinct, order, begins = groups(keys)
        yield from zip(distinct.tolist(), np.split(values[order], begins[1:]), strict=True)
