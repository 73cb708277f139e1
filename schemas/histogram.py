"""Log-bucket histogram: which bin a value falls into and which value a bin stands for.

The scheme is HdrHistogram's: each power of two is cut into 64 equal bins, so a bin is at most
1/64 of its lower bound wide and its midpoint is within 1/128 (0.8 %) of every value in it.
Integers only: the same values give the same bins on every machine, and bins merge by addition.
"""

from __future__ import annotations

from collections.abc import Mapping

SUB_BITS = 6
EXACT_BITS = SUB_BITS + 1
MAX_VALUE = 86_400_000_000
"""24 h in µs, the longest processing time that the contract allows (bin 2047 fits UInt16)."""


def bin_of(value: int) -> int:
    """The bin of an integer `value` (0 … 2^63 − 1); values below 128 have a bin of their own."""
    shift = value.bit_length() - EXACT_BITS
    return value if shift <= 0 else (shift << SUB_BITS) + (value >> shift)


def value_of(index: int) -> float:
    """The midpoint of the values that fall into bin `index` (exact below 128)."""
    shift = (index >> SUB_BITS) - 1
    if shift <= 0:
        return float(index)
    lower = (64 + (index & 63)) << shift
    return lower + ((1 << shift) - 1) / 2


def percentile(counts: Mapping[int, int], ratio: float) -> float | None:
    """Nearest-rank percentile (`ratio` 0 < r ≤ 1) of merged bin counts; None when empty.

    Nearest rank: the smallest value with at least `ratio · n` values not above it.
    """
    total = sum(counts.values())
    if total <= 0:
        return None
    rank = max(1, -int(-ratio * total // 1))
    seen = 0
    for index in sorted(counts):
        seen += counts[index]
        if seen >= rank:
            return value_of(index)
    return value_of(max(counts))
