"""Segments and savings at the edges of 3GPP TS 23.038."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from schemas.rows import ENCODINGS
from streams.core.savings import gsm_saving, segments_of, trim_saving


def _codes(*encodings: str | None) -> Any:
    return np.array([ENCODINGS[encoding] for encoding in encodings], np.int8)


_SEGMENTS = [
    ("GSM-7", 0, 1),
    ("GSM-7", 160, 1),
    ("GSM-7", 161, 2),
    ("GSM-7", 306, 2),
    ("GSM-7", 307, 3),
    ("GSM-7", 459, 3),
    ("GSM-7", 460, 4),
    ("UCS-2", 0, 1),
    ("UCS-2", 70, 1),
    ("UCS-2", 71, 2),
    ("UCS-2", 134, 2),
    ("UCS-2", 135, 3),
    ("UCS-2", 201, 3),
    ("UCS-2", 202, 4),
]


@pytest.mark.parametrize(("encoding", "length", "segments"), _SEGMENTS)
def test_segments(encoding: str, length: int, segments: int) -> None:
    assert segments_of(np.array([length]), _codes(encoding)).tolist() == [segments]
    assert segments_of(np.array([length]), ENCODINGS[encoding]).tolist() == [segments]


_BY_PLAIN_GSM = [
    (70, 1, "UCS-2", 1, 0),
    (71, 2, "UCS-2", 1, 1),
    (134, 2, "UCS-2", 3, 1),
    (135, 3, "UCS-2", 3, 2),
    (160, 3, "UCS-2", 1, 2),
    (161, 3, "UCS-2", 1, 1),
    (306, 5, "UCS-2", 1, 3),
    (307, 5, "UCS-2", 1, 2),
    (135, 3, "UCS-2", 0, 0),
    (135, 3, "UCS-2", 4, 0),
    (135, 3, "GSM-7", 1, 0),
    (135, 3, None, 1, 0),
    (1000, 2, "UCS-2", 1, 0),
]


@pytest.mark.parametrize(("length", "segments", "encoding", "non_gsm", "saved"), _BY_PLAIN_GSM)
def test_saved_by_plain_gsm(
    length: int, segments: int, encoding: str | None, non_gsm: int, saved: int
) -> None:
    found = gsm_saving(
        np.array([length]), np.array([segments]), _codes(encoding), np.array([non_gsm], np.uint16)
    )
    assert found.tolist() == [saved]


_BY_A_SHORTER_TEXT = [
    (160, 1, "GSM-7", 0),
    (161, 2, "GSM-7", 1),
    (170, 2, "GSM-7", 1),
    (171, 2, "GSM-7", 0),
    (306, 2, "GSM-7", 0),
    (307, 3, "GSM-7", 1),
    (316, 3, "GSM-7", 1),
    (317, 3, "GSM-7", 0),
    (70, 1, "UCS-2", 0),
    (71, 2, "UCS-2", 1),
    (80, 2, "UCS-2", 1),
    (81, 2, "UCS-2", 0),
    (134, 2, "UCS-2", 0),
    (135, 3, "UCS-2", 1),
    (144, 3, "UCS-2", 1),
    (145, 3, "UCS-2", 0),
    (161, 2, None, 0),
    (10, 2, "GSM-7", 0),
]


@pytest.mark.parametrize(("length", "segments", "encoding", "saved"), _BY_A_SHORTER_TEXT)
def test_saved_by_a_shorter_text(
    length: int, segments: int, encoding: str | None, saved: int
) -> None:
    found = trim_saving(np.array([length]), np.array([segments]), _codes(encoding))
    assert found.tolist() == [saved]


def test_many_at_once() -> None:
    encodings, lengths, segments = zip(*_SEGMENTS, strict=True)
    assert segments_of(np.array(lengths), _codes(*encodings)).tolist() == list(segments)
    lengths, segments, encodings, non_gsm, saved = zip(*_BY_PLAIN_GSM, strict=True)
    found = gsm_saving(np.array(lengths), np.array(segments), _codes(*encodings), np.array(non_gsm))
    assert found.tolist() == list(saved)
    lengths, segments, encodings, saved = zip(*_BY_A_SHORTER_TEXT, strict=True)
    found = trim_saving(np.array(lengths), np.array(segments), _codes(*encodings))
    assert found.tolist() == list(saved)
    none = np.zeros(0, np.int64)
    assert len(segments_of(none, none)) == len(gsm_saving(none, none, none, none)) == 0
    assert len(trim_saving(none, none, none)) == 0
