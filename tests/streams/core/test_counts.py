"""Sparse histograms of many rows against a dictionary of counters."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pytest

from streams.core import counts
from streams.core.counts import SparseCounts

_LOWEST, _HIGHEST = -(2**31), 2**31 - 1
_KEYS = [_LOWEST, _LOWEST + 1, -1, 0, 1, 30003, _HIGHEST - 1, _HIGHEST]
Entry = tuple[int, int, int]
"""Row, key and count."""


def _add(sparse: SparseCounts, *entries: Entry) -> None:
    columns = np.array(entries, np.int64).reshape(-1, 3).T
    sparse.add(*columns)


def _of(sparse: SparseCounts, rows: Sequence[int]) -> list[dict[int, int]]:
    """The histogram of each row; its keys rise."""
    sizes, keys, numbers = sparse.of(np.array(rows, np.int64))
    assert len(sizes) == len(rows)
    entries = iter(zip(keys.tolist(), numbers.tolist(), strict=True))
    found = [dict(next(entries) for _ in range(size)) for size in sizes.tolist()]
    assert next(entries, None) is None
    for size, histogram in zip(sizes.tolist(), found, strict=True):
        assert list(histogram) == sorted(histogram)
        assert len(histogram) == size
    return found


@pytest.fixture(params=[0, 1, 10, 65_536], ids=lambda small: f"small-{small}")
def _small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size from which the recent part is sorted into the large one."""
    monkeypatch.setattr(counts, "_SMALL", request.param)


def test_nothing_is_nothing() -> None:
    sparse = SparseCounts()
    assert _of(sparse, []) == []
    assert _of(sparse, [0, 2**31 - 2]) == [{}, {}]
    _add(sparse)
    sparse.drop(np.zeros(0, np.int64))
    sparse.drop(np.array([5]))
    assert _of(sparse, [5]) == [{}]


@pytest.mark.usefixtures("_small")
def test_counts_add_up_by_row_and_key() -> None:
    sparse = SparseCounts()
    _add(sparse, (3, 7, 1), (1, 7, 2), (3, 7, 4), (3, -7, 8))
    assert _of(sparse, [3, 2, 1]) == [{-7: 8, 7: 5}, {}, {7: 2}]
    _add(sparse, (3, 7, 10))
    _add(sparse, (2, 0, 1))
    assert _of(sparse, [1, 2, 3]) == [{7: 2}, {0: 1}, {-7: 8, 7: 15}]


@pytest.mark.usefixtures("_small")
def test_what_is_taken_back_is_gone() -> None:
    sparse = SparseCounts()
    _add(sparse, (1, 5, 2), (1, 6, 1))
    assert _of(sparse, [1]) == [{5: 2, 6: 1}]
    _add(sparse, (1, 5, -2), (2, 9, 1), (2, 9, -1))
    assert _of(sparse, [1, 2]) == [{6: 1}, {}]
    _add(sparse, (1, 5, -3))
    assert _of(sparse, [1]) == [{5: -3, 6: 1}]
    _add(sparse, (1, 5, 3))
    assert _of(sparse, [1]) == [{6: 1}]


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("row", [0, 1, 2**31 - 2])
def test_keys_and_rows_at_their_limits(row: int) -> None:
    sparse = SparseCounts()
    numbers = {key: number for number, key in enumerate(_KEYS, 1)}
    beside = [near for near in (row - 1, row + 1) if 0 <= near < 2**31 - 1]
    for key, number in numbers.items():
        _add(sparse, (row, key, number), *[(near, key, 100) for near in beside])
    assert _of(sparse, [row]) == [numbers]
    assert _of(sparse, beside) == [dict.fromkeys(_KEYS, 100)] * len(beside)
    sparse.drop(np.array([row]))
    assert _of(sparse, [*beside, row]) == [*[dict.fromkeys(_KEYS, 100)] * len(beside), {}]


def test_counts_may_be_large() -> None:
    sparse = SparseCounts()
    _add(sparse, (0, 1, 2**62), (0, 1, 2**62 - 1), (0, 2, -(2**63)))
    assert _of(sparse, [0]) == [{1: 2**63 - 1, 2: -(2**63)}]


def test_an_answer_does_not_change() -> None:
    sparse = SparseCounts()
    _add(sparse, (0, 1, 1), (1, 1, 1))
    before = sparse.of(np.array([0, 1]))
    _add(sparse, (0, 1, 5))
    sparse.drop(np.array([1]))
    assert _of(sparse, [0, 1]) == [{1: 6}, {}]
    assert [column.tolist() for column in before] == [[1, 1], [1, 1], [1, 1]]


@pytest.mark.parametrize("small", [0, 3, 50, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_steps_against_counters(
    seed: int, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "_SMALL", small)
    seeded = random.Random(seed)
    sparse = SparseCounts()
    model: defaultdict[int, Counter[int]] = defaultdict(Counter)
    rows = [*range(12), 999, 2**31 - 2]
    for _ in range(250):
        step = seeded.choice(["add", "add", "add", "of", "drop"])
        some = seeded.sample(rows, seeded.randrange(len(rows)))
        if step == "add":
            entries = [
                (seeded.choice(rows), seeded.choice(_KEYS), seeded.choice([-2, -1, 1, 1, 3]))
                for _ in range(seeded.randrange(30))
            ]
            _add(sparse, *entries)
            for row, key, number in entries:
                model[row][key] += number
        elif step == "drop":
            some = [row for row in some[:3] if row < 1000]
            sparse.drop(np.array(some, np.int64))
            for row in some:
                model.pop(row, None)
        else:
            assert _of(sparse, some) == [
                {key: number for key, number in sorted(model[row].items()) if number}
                for row in some
            ]
