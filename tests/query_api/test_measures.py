"""Ratios, money and change at their edges."""

from __future__ import annotations

import pytest

from query_api.measures import change_ratio, direction, ratio, usd, usd_each


@pytest.mark.parametrize(("part", "whole", "expected"), [(1, 4, 0.25), (0, 4, 0.0), (0, 0, None)])
def test_ratio(part: int, whole: int, expected: float | None) -> None:
    assert ratio(part, whole) == expected


@pytest.mark.parametrize(
    ("micros", "expected"),
    [
        (0, 0.0),
        (1, 1e-06),
        (8300, 0.0083),
        (-11800, -0.0118),
        (123_456_789_012_345, 123456789.012345),
    ],
)
def test_usd_is_the_json_number_with_these_digits(micros: int, expected: float) -> None:
    assert usd(micros) == expected
    assert round(usd(micros), 6) == usd(micros)


@pytest.mark.parametrize(
    ("micros", "count", "expected"), [(10, 3, 0.000003), (1_000_000, 3, 0.333333), (5, 0, None)]
)
def test_usd_each(micros: int, count: int, expected: float | None) -> None:
    assert usd_each(micros, count) == expected


@pytest.mark.parametrize(
    ("now", "before", "change", "named"),
    [
        (110, 100, 0.1, "up"),
        (90, 100, -0.1, "down"),
        (101, 100, 0.01, "flat"),
        (99, 100, -0.01, "flat"),
        (102, 100, 0.02, "up"),
        (0, 100, -1.0, "down"),
        (5, 0, None, "up"),
        (0, 0, None, "flat"),
    ],
)
def test_change(now: int, before: int, change: float | None, named: str) -> None:
    assert change_ratio(now, before) == change
    assert direction(now, before) == named
