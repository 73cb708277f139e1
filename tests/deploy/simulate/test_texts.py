"""Segments by 3GPP's limits, and texts that keep to them."""

from __future__ import annotations

import numpy as np
import pytest

from deploy.simulate.texts import segments_of, write


@pytest.mark.parametrize(
    ("length", "is_ucs2", "segments"),
    [
        (0, False, 1),
        (160, False, 1),
        (161, False, 2),
        (306, False, 2),
        (307, False, 3),
        (70, True, 1),
        (71, True, 2),
        (134, True, 2),
        (135, True, 3),
        (1600, True, 24),
    ],
)
def test_segments(length: int, is_ucs2: bool, segments: int) -> None:
    assert segments_of(np.array([length]), np.array([is_ucs2])).tolist() == [segments]


def test_non_gsm_characters_are_there_exactly_in_ucs2_and_fit_the_text() -> None:
    count = 5_000
    texts = write(
        np.random.default_rng(1),
        np.full(count, 90.0),
        np.full(count, 0.5),
        np.arange(count) % 2 == 0,
    )
    assert ((texts.non_gsm_characters > 0) == texts.is_ucs2).all()
    assert (texts.non_gsm_characters <= texts.body_length).all()
    assert 0.4 < texts.is_ucs2.mean() < 0.6
