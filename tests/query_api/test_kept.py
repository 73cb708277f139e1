"""What is kept about users: numbers as they were, of no other mark, within bounds."""

from __future__ import annotations

import numpy as np

from query_api.kept import KeptNumbers

_EXTREME = np.array([[0, -1, 2**63 - 1, 255], [1, 300, -(2**63), 0]], np.int64)


def test_numbers_come_back_as_they_were_and_as_int64() -> None:
    kept = KeptNumbers(10_000)
    kept.put("key", (_EXTREME, _EXTREME[:0], _EXTREME[:, 3:]))
    whole, empty, narrow = kept.get("key") or ()
    assert (whole == _EXTREME).all()
    assert (narrow == _EXTREME[:, 3:]).all()
    assert empty.shape == (0, 4)
    assert {table.dtype for table in (whole, empty, narrow)} == {np.dtype(np.int64)}
    assert kept.get("another") is None


def test_what_is_kept_does_not_hold_what_it_was_cut_from() -> None:
    kept = KeptNumbers(10_000)
    source = _EXTREME.copy()
    kept.put("key", (source[:1],))
    source[:] = 7
    assert (kept.get("key") or (source,))[0].tolist() == _EXTREME[:1].tolist()


def test_memory_is_bounded_and_0_keeps_nothing() -> None:
    table = np.ones((1_000, 2), np.int64)
    kept = KeptNumbers(5_000)
    for key in "abc":
        kept.put(key, (table,))
    assert [key for key in "abc" if kept.get(key)] == ["b", "c"]
    kept.get("b")
    kept.put("d", (table,))
    assert [key for key in "abcd" if kept.get(key)] == ["b", "d"]
    kept.put("large", (np.ones((10_000, 2), np.int64),))
    assert kept.get("large") is None
    nothing = KeptNumbers(0)
    nothing.put("a", (table,))
    assert nothing.get("a") is None
