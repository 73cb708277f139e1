"""Columns as matrices, and sums by key."""

from __future__ import annotations

import numpy as np
import pytest

from query_api.sums import by_key, padded, places, stacked
from schemas.native_answers import Arrays


def test_columns_are_stacked_bit_by_bit() -> None:
    unsigned = np.array([2**64 - 1, 1], np.uint64)
    small = np.array([True, False])
    matrix = np.array([[1, -2], [3, -4]])
    assert stacked(unsigned, small, matrix).tolist() == [[-1, 1, 1, -2], [1, 0, 3, -4]]


def test_arrays_are_padded_with_zeros() -> None:
    arrays = Arrays(np.array([2, 2, 5]), np.array([1, 2, 3, 4, 5]))
    assert padded(arrays, 3).tolist() == [[1, 2, 0], [0, 0, 0], [3, 4, 5]]
    assert padded(Arrays(np.array([], np.int64), np.array([], np.int64)), 3).shape == (0, 3)


@pytest.mark.parametrize(
    "keys", [[], [3], [5, 3, 5, 0], [2**31 - 1, 7, -1], [2**20, 2**20 - 1], [65_535] * 3]
)
def test_places_are_those_of_unique(keys: list[int]) -> None:
    numbers = np.array(keys, np.int64)
    for given, wanted in zip(places(numbers), np.unique(numbers, return_inverse=True), strict=True):
        assert given.tolist() == wanted.tolist()


def test_rows_lie_by_key() -> None:
    keys = np.array([2, 1, 2])
    values = np.array([[1], [2], [3]])
    found = {key: rows.tolist() for key, rows in by_key(keys, values)}
    assert found == {1: [[2]], 2: [[1], [3]]}
    assert [(key, rows.tolist()) for key, rows in by_key(keys[:1], values[:1])] == [(2, [[1]])]
    assert list(by_key(keys[:0], values[:0])) == []
