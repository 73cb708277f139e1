"""How long texts are, in which encoding, and how many segments that takes.

Segments by 3GPP TS 23.038 and 23.040: 160 GSM-7 characters or 153 in each part of several, 70
UCS-2 units or 67. Characters of the GSM-7 extension table, which count double, do not occur here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deploy.simulate.population import Floats, Ints

MAX_LENGTH = 1600
"""Twilio's limit of a message's text, in characters."""


@dataclass(frozen=True)
class Texts:
    """Columns with one entry per message."""

    body_length: Ints
    is_ucs2: NDArray[np.bool_]
    non_gsm_characters: Ints
    segments: Ints


def write(
    rng: np.random.Generator,
    median_length: Floats,
    ucs2_ratio: Floats,
    is_non_gsm_script: NDArray[np.bool_],
) -> Texts:
    """One text per entry of the columns; where the script is Latin, few characters cause UCS-2."""
    count = len(median_length)
    length = np.minimum(rng.lognormal(np.log(median_length), 0.55), MAX_LENGTH).astype(np.int64)
    is_ucs2 = (rng.random(count) < ucs2_ratio) & (length > 0)
    few = np.minimum(1 + rng.geometric(0.6, count) // 2, length)
    non_gsm = np.where(is_non_gsm_script, np.maximum(length * 4 // 5, 1), few)
    return Texts(length, is_ucs2, np.where(is_ucs2, non_gsm, 0), segments_of(length, is_ucs2))


def segments_of(length: Ints, is_ucs2: NDArray[np.bool_]) -> Ints:
    """Segments of texts of `length` characters, each of one septet or one UTF-16 unit."""
    single = np.where(is_ucs2, 70, 160)
    part = np.where(is_ucs2, 67, 153)
    return np.where(length <= single, 1, -(-length // part))
