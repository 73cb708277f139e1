"""Decimal milliseconds to whole microseconds, a batch at a time."""

from __future__ import annotations

import math
import random
from decimal import ROUND_HALF_EVEN, Decimal

import pytest

from streams.core.decode import micros_of_ms

_CASES: list[tuple[float, int]] = [
    (0, 0),
    (0.0004, 0),
    (0.0005, 0),
    (0.0006, 1),
    (0.0015, 2),
    (0.0025, 2),
    (0.0035, 4),
    (1.0005, 1000),
    (1.0015, 1002),
    (2.0025, 2002),
    (12.3445, 12_344),
    (12.3455, 12_346),
    (86_400_000, 86_400_000_000),
    (86_399_999.9995, 86_399_999_999 + 1),
    (86_399_999.9985, 86_399_999_998),
    (1e-300, 0),
    (5e-324, 0),
    (math.nextafter(0.0015, 0), 1),
    (math.nextafter(0.0025, 1), 3),
]


@pytest.mark.parametrize(("ms", "micros"), _CASES)
def test_processing_time_is_rounded_half_even(ms: float, micros: int) -> None:
    assert micros_of_ms([ms]).tolist() == [micros]


def test_unknown_among_known_ones_is_less_than_nothing() -> None:
    cases = [(None, -1), *_CASES, (None, -1), *_CASES[::-1]]
    values = [ms for ms, _ in cases]
    assert micros_of_ms(values).tolist() == [micros for _, micros in cases]
    assert micros_of_ms([None, None]).tolist() == [-1, -1]
    assert micros_of_ms([]).tolist() == []


@pytest.mark.parametrize("limit", [1, 1_000, 86_400_000])
def test_processing_time_against_decimal_arithmetic(limit: int) -> None:
    seeded = random.Random(limit)
    texts = [f"{seeded.randrange(limit)}.{seeded.randrange(10**4):04d}" for _ in range(3000)]
    exact = [(Decimal(text) * 1000).to_integral_value(ROUND_HALF_EVEN) for text in texts]
    found = micros_of_ms([float(text) for text in texts]).tolist()
    for text, micros, expected in zip(texts, found, exact, strict=True):
        assert micros == expected, text
