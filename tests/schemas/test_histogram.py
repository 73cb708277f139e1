"""The histogram's promise: percentiles within 1 %, and bins that merge by addition."""

from __future__ import annotations

import math
import random
from collections import Counter
from fractions import Fraction

import pytest

from schemas.histogram import MAX_VALUE, bin_of, percentile, value_of

_RELATIVE_ERROR = 1 / 128


def _samples(seed: int, count: int) -> list[int]:
    """Values of every magnitude, and the edges of the powers of two."""
    random_ = random.Random(seed)
    edges = [(1 << bits) + near for bits in range(37) for near in (-1, 0, 1)]
    spread = [int(math.exp(random_.uniform(0, math.log(MAX_VALUE)))) for _ in range(count)]
    return [value for value in edges + spread if 0 <= value <= MAX_VALUE] + [MAX_VALUE]


def test_values_below_128_are_exact() -> None:
    assert [value_of(bin_of(value)) for value in range(128)] == list(range(128))


@pytest.mark.parametrize("seed", range(3))
def test_error_is_bounded(seed: int) -> None:
    for value in _samples(seed, 20_000):
        assert abs(value_of(bin_of(value)) - value) <= value * _RELATIVE_ERROR


def test_bins_rise_with_values_and_have_no_gap() -> None:
    values = sorted(set(_samples(7, 20_000)))
    bins = [bin_of(value) for value in values]
    assert bins == sorted(bins)
    assert [bin_of(value) for value in range(10_000)] == sorted(map(bin_of, range(10_000)))
    assert {bin_of(value) for value in range(10_000)} == set(range(bin_of(9_999) + 1))


def test_a_value_of_a_bin_lies_in_it() -> None:
    for index in range(bin_of(MAX_VALUE) + 1):
        assert bin_of(int(value_of(index))) == index


def test_bins_fit_their_column() -> None:
    assert bin_of(MAX_VALUE) < 2**16
    assert bin_of(2**63 - 1) < 2**16


def _nearest_rank(values: list[int], ratio: Fraction) -> int:
    """The definition: the smallest value with at least ratio · n values not above it."""
    ordered = sorted(values)
    return next(v for rank, v in enumerate(ordered, 1) if rank >= ratio * len(ordered))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("ratio", "exact"),
    [(0.5, Fraction(1, 2)), (0.95, Fraction(95, 100)), (0.99, Fraction(99, 100)), (1.0, 1)],
)
def test_percentile_is_nearest_rank(seed: int, ratio: float, exact: Fraction) -> None:
    random_ = random.Random(seed)
    for count in [1, 2, 3, 19, 20, 21, 99, 100, 101, 1000]:
        values = [int(random_.lognormvariate(9, 2)) for _ in range(count)]
        expected = _nearest_rank(values, exact)
        found = percentile(Counter(map(bin_of, values)), ratio)
        assert found is not None
        assert abs(found - expected) <= expected * _RELATIVE_ERROR


def test_percentile_of_exact_bins() -> None:
    counts = dict.fromkeys(range(1, 101), 1)
    ratios = (0.001, 0.01, 0.5, 0.501, 0.95, 0.99, 1.0)
    assert [percentile(counts, ratio) for ratio in ratios] == [1, 1, 50, 51, 95, 99, 100]


def test_percentile_is_the_same_in_any_grouping() -> None:
    values = _samples(11, 2_000)
    random.Random(11).shuffle(values)
    parts = [Counter(map(bin_of, values[start::7])) for start in range(7)]
    merged: Counter[int] = sum(parts, Counter())
    assert percentile(merged, 0.95) == percentile(Counter(map(bin_of, values)), 0.95)


@pytest.mark.parametrize("counts", [{}, {5: 0}])
def test_percentile_of_nothing(counts: dict[int, int]) -> None:
    assert percentile(counts, 0.5) is None
