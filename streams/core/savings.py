"""Segments that a slightly different text would have saved; 3GPP TS 23.038 limits.

An SMS of GSM-7 holds 160 characters, or 153 per segment when split; of UCS-2 70, or 67. The body
itself is never seen, so the arithmetic is by `body_length`: two-septet characters make it a lower
bound of the segments, which never invents a saving beyond the segments that were billed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.rows import ENCODINGS
from streams.core.columns import Ints

FEW_NON_GSM = 3
"""So few characters outside GSM-7 (a curly quote, a dash) can usually be replaced."""
SHORT_TRIM = 10
"""A text this many characters over a segment boundary can usually be shortened."""

_GSM_7, _UCS_2 = ENCODINGS["GSM-7"], ENCODINGS["UCS-2"]


def segments_of(length: Ints, encoding: Any) -> Ints:
    """Segments of texts of `length` characters in the encodings of these codes."""
    is_gsm = np.asarray(encoding) == _GSM_7
    single, part = np.where(is_gsm, 160, 70), np.where(is_gsm, 153, 67)
    return np.where(length <= single, 1, -(-length // part))


def gsm_saving(length: Ints, segments: Ints, encoding: Any, non_gsm: Any) -> Ints:
    """Segments saved if the few non-GSM characters were replaced."""
    applies = (encoding == _UCS_2) & (non_gsm >= 1) & (non_gsm <= FEW_NON_GSM)
    saved = np.maximum(0, segments - segments_of(length, _GSM_7))
    return np.where(applies, saved, 0)


def trim_saving(length: Ints, segments: Ints, encoding: Any) -> Ints:
    """Segments saved if the texts were at most `SHORT_TRIM` characters shorter."""
    is_known = (encoding == _GSM_7) | (encoding == _UCS_2)
    applies = is_known & (segments > 1) & (length > SHORT_TRIM)
    saved = np.maximum(0, segments - segments_of(length - SHORT_TRIM, encoding))
    return np.where(applies, saved, 0)
