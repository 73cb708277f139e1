"""What the rules do with columns and numpy does not have."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
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
