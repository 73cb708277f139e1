"""Segments and savings at the edges of 3GPP TS 23.038."""

from __future__ import annotations

import pytest

from streams.core.savings import gsm_saving, segments_of, trim_saving


@pytest.mark.parametrize(
    ("encoding", "length", "segments"),
    [
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
    ],
)
def test_segments(encoding: str, length: int, segments: int) -> None:
    assert segments_of(length, encoding) == segments


@pytest.mark.parametrize(
    ("length", "segments", "encoding", "non_gsm", "saved"),
    [
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
    ],
)
def test_saved_by_plain_gsm(
    length: int, segments: int, encoding: str | None, non_gsm: int, saved: int
) -> None:
    assert gsm_saving(length, segments, encoding, non_gsm) == saved


@pytest.mark.parametrize(
    ("length", "segments", "encoding", "saved"),
    [
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
    ],
)
def test_saved_by_a_shorter_text(
    length: int, segments: int, encoding: str | None, saved: int
) -> None:
    assert trim_saving(length, segments, encoding) == saved
