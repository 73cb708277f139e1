"""Arithmetic that every answer shares: ratios, money and change, with their edge cases."""

from __future__ import annotations

from schemas.api.usage import Direction
from schemas.units import MICROS_PER_USD

FLAT_RATIO = 0.01


def ratio(part: int, whole: int) -> float | None:
    """`part / whole`, or None where there is no whole."""
    return part / whole if whole > 0 else None


def usd(micros: int) -> float:
    """Micro-USD as the nearest JSON number of USD (at most 6 decimals by nature)."""
    return micros / MICROS_PER_USD


def usd_each(micros: int, count: int) -> float | None:
    """USD for each of `count`, rounded to 6 decimals, or None where there is none."""
    return round(micros / count / MICROS_PER_USD, 6) if count > 0 else None


def change_ratio(now: int, before: int) -> float | None:
    """The change relative to `before`; None where that is 0."""
    return (now - before) / before if before > 0 else None


def direction(now: int, before: int) -> Direction:
    """`flat` within 1 % of `before`."""
    if abs(now - before) <= FLAT_RATIO * before:
        return "flat"
    return "up" if now > before else "down"
