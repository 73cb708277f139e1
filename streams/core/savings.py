"""Segments that a slightly different text would have saved; 3GPP TS 23.038 limits.

An SMS of GSM-7 holds 160 characters, or 153 per segment when split; of UCS-2 70, or 67. The body
itself is never seen, so the arithmetic is by `body_length`: two-septet characters make it a lower
bound of the segments, which never invents a saving beyond the segments that were billed.
"""

from __future__ import annotations

FEW_NON_GSM = 3
"""So few characters outside GSM-7 (a curly quote, a dash) can usually be replaced."""
SHORT_TRIM = 10
"""A text this many characters over a segment boundary can usually be shortened."""

_LIMITS = {"GSM-7": (160, 153), "UCS-2": (70, 67)}


def segments_of(length: int, encoding: str) -> int:
    """Segments of a text of `length` characters."""
    single, part = _LIMITS[encoding]
    return 1 if length <= single else -(-length // part)


def gsm_saving(length: int, segments: int, encoding: str | None, non_gsm: int) -> int:
    """Segments saved if the few non-GSM characters were replaced."""
    if encoding != "UCS-2" or not 1 <= non_gsm <= FEW_NON_GSM:
        return 0
    return max(0, segments - segments_of(length, "GSM-7"))


def trim_saving(length: int, segments: int, encoding: str | None) -> int:
    """Segments saved if the text were at most `SHORT_TRIM` characters shorter."""
    if encoding is None or segments < 2 or length <= SHORT_TRIM:
        return 0
    return max(0, segments - segments_of(length - SHORT_TRIM, encoding))
