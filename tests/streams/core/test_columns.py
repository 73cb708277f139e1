"""Columns of texts: what was put in comes out, as a whole, from a place on, and without some."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from streams.core.columns import Texts, nothing

_COLUMNS: list[Sequence[bytes | None]] = [
    [],
    [None],
    [b""],
    [b"a", None, b"", b"bcd", "ö€".encode(), None],
    [None, b"\x00", b"x" * 1000],
]


@pytest.mark.parametrize("column", _COLUMNS)
def test_texts_are_as_given(column: Sequence[bytes | None]) -> None:
    texts = Texts.of(column)
    assert len(texts) == len(column)
    assert list(texts) == column
    assert [texts[place] for place in range(len(column))] == column


@pytest.mark.parametrize("column", _COLUMNS)
def test_texts_since_a_place(column: Sequence[bytes | None]) -> None:
    for place in range(len(column) + 1):
        rest = Texts.of(column).since(place)
        assert list(rest) == column[place:]
        assert list(rest.packed()) == column[place:]
        assert len(rest.packed().content) == sum(len(text or b"") for text in column[place:])


def test_texts_without_some_of_them() -> None:
    texts = Texts.of([b"a", b"b", None, b"c"])
    assert list(texts.without([0, 3])) == [None, b"b", None, None]
    assert list(texts) == [b"a", b"b", None, b"c"]


@pytest.mark.parametrize("column", _COLUMNS)
def test_texts_in_another_order_and_behind_others(column: Sequence[bytes | None]) -> None:
    for other in _COLUMNS:
        both = [*column, *other]
        joined = Texts.of(column).followed_by(Texts.of(other))
        assert list(joined) == both
        back = joined.take(np.arange(len(both))[::-1])
        assert list(back) == both[::-1]
        assert back.there().tolist() == [
            place for place, text in enumerate(both[::-1]) if text is not None
        ]


def test_a_column_of_nothing() -> None:
    assert list(nothing(3)) == [None, None, None]
    assert not len(nothing(2).there())
