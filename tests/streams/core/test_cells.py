"""Cells: what is absent, new, cold or dirty, and that evicted rows leave nothing behind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from streams.core.cells import (
    COLUMN,
    WIDTH,
    CellTable,
    Ints,
    Sums,
    add_up,
    combination,
    combination_parts,
)
from tests.streams.columns import Cell, Key, cell_rows, cells_of, contents, keys_of

_MESSAGES, _MAX = COLUMN["messages"], COLUMN["processing_max_us"]
_EMPTY = Cell(-1, [0] * WIDTH, [{}, {}, {}])


def _key(bucket: int, user: int = 1, code: int = 0) -> Key:
    return (user, bucket, code)


def _deltas(*rows: tuple[int, int]) -> Ints:
    """Rows of deltas: so many messages, and so long a processing time."""
    deltas = np.zeros((len(rows), WIDTH), np.int64)
    for row, (messages, longest) in zip(deltas, rows, strict=True):
        row[_MESSAGES], row[_MAX] = messages, longest
    return deltas


def _rows(table: CellTable, *keys: Key) -> Ints:
    return table.rows_of(keys_of(keys))


def _add(table: CellTable, keys: Sequence[Key], position: int = 1) -> None:
    deltas = _deltas(*[(1, 5)] * len(keys))
    table.add(_rows(table, *keys), deltas, np.full(len(keys), position, np.int64))


def _table(*buckets: int, durable: bool = True) -> CellTable:
    """A table with a cell of one message in each bucket."""
    table = CellTable({})
    _add(table, [_key(bucket) for bucket in buckets])
    if durable:
        table.take_dirty()
    return table


def _cold(table: CellTable, *keys: Key) -> list[Key]:
    found: list[Key] = table.cold(keys_of(keys)).tolist()
    return found


def _dirty(table: CellTable) -> set[Key]:
    """The cells that changed since this was last called."""
    rows = table.take_dirty()
    return set() if rows is None else set(cells_of(rows))


def _messages(table: CellTable, key: Key) -> int:
    return contents(table)[key].counters[_MESSAGES]


def test_an_absent_cell_is_new_from_hot_from_on_and_cold_before() -> None:
    table = CellTable({}, hot_from_s=5)
    asked = [_key(4), _key(5), _key(4, user=2), _key(6), _key(-1)]
    assert _cold(table, *asked) == [_key(4), _key(4, user=2), _key(-1)]
    table.load(cell_rows({_key(4): _EMPTY._replace(last=9)}))
    assert _cold(table, *asked) == [_key(4, user=2), _key(-1)]
    assert _cold(table, _key(5), _key(6)) == []
    assert _cold(table) == []


def test_a_new_cell_is_empty() -> None:
    table = CellTable({})
    (row,) = _rows(table, _key(1)).tolist()
    assert contents(table) == {_key(1): _EMPTY}
    assert _rows(table, _key(1)).tolist() == [row]
    assert table.take_dirty() is None


def test_keys_differ_in_each_of_their_parts() -> None:
    keys = [(u, b, c) for u in (0, 1, 2**53 - 1) for b in (-900, 0, 2**32) for c in (0, 1, 2707)]
    table = CellTable({})
    rows = _rows(table, *keys)
    assert len(set(rows.tolist())) == len(keys)
    assert list(contents(table)) == keys
    assert _rows(table, *keys[::-1]).tolist() == rows[::-1].tolist()


def test_adding_sums_and_takes_maxima() -> None:
    table = CellTable({})
    keys = [_key(1), _key(2)]
    table.add(_rows(table, *keys), _deltas((1, 5), (2, 3)), np.array([10, 11]))
    table.add(_rows(table, *keys[::-1]), _deltas((10, 2), (20, 4)), np.array([12, 13]))
    first, second = (contents(table)[key] for key in keys)
    assert [first.counters[column] for column in (_MESSAGES, _MAX)] == [21, 5]
    assert [second.counters[column] for column in (_MESSAGES, _MAX)] == [12, 3]
    assert (first.last, second.last) == (13, 12)
    assert _dirty(table) == set(keys)
    assert _dirty(table) == set()


def test_histograms_count_entries() -> None:
    table = CellTable({})
    table.load(cell_rows({_key(1): Cell(3, [0] * WIDTH, [{7: 2}, {}, {}])}))
    row = _rows(table, _key(1))
    table.sparse[0].add(row.repeat(3), np.array([7, -1, 7]), np.ones(3, np.int64))
    assert contents(table)[_key(1)].sparse == [{7: 4, -1: 1}, {}, {}]


def test_a_loaded_cell_replaces_none_that_is_here() -> None:
    table = _table(1)
    loaded = {
        _key(2): Cell(98, [8] * WIDTH, [{}, {5: 6}, {}]),
        _key(1): Cell(99, [9] * WIDTH, [{1: 1}, {2: 2, 3: 3}, {}]),
        _key(3): Cell(97, [7] * WIDTH, [{4: 4}, {}, {-7: -8, 0: 9}]),
    }
    here = contents(table)[_key(1)]
    assert (here.last, here.counters[_MESSAGES]) == (1, 1)
    table.load(cell_rows(loaded))
    assert contents(table) == {**loaded, _key(1): here}


def test_a_loaded_cell_is_not_dirty() -> None:
    table = CellTable({})
    loaded = {_key(1): Cell(99, list(range(WIDTH)), [{1: 1}, {2: 2}, {3: 3}])}
    table.load(cell_rows(loaded))
    assert contents(table) == loaded
    assert table.take_dirty() is None
    table.load(cell_rows({}))
    assert contents(table) == loaded


@pytest.mark.parametrize(
    ("keep", "left", "hot_from_s"),
    [(4, [1, 2, 3, 4], 0), (3, [3, 4], 3), (2, [4], 4), (0, [], 5)],
)
def test_the_oldest_buckets_are_evicted(keep: int, left: list[int], hot_from_s: int) -> None:
    table = _table(3, 1, 4, 2)
    assert table.evict(keep) == 4 - len(left)
    assert sorted(contents(table)) == [_key(bucket) for bucket in left]
    assert table.hot_from_s == hot_from_s
    asked = [_key(bucket) for bucket in (1, 2, 3, 4)]
    assert _cold(table, *asked) == [key for key in asked if key[1] not in left]


def test_of_a_large_bucket_those_stay_that_changed_last() -> None:
    table = _table(1, 2)
    _add(table, [_key(1, user=2)], position=5)
    _add(table, [_key(1, user=3)], position=3)
    table.take_dirty()
    assert table.evict(3) == 2
    assert set(contents(table)) == {_key(2), _key(1, user=2)}
    assert table.hot_from_s == 2
    asked = [_key(1), _key(1, user=2), _key(1, user=3), _key(1, user=4)]
    assert _cold(table, *asked) == [_key(1), _key(1, user=3), _key(1, user=4)]


def test_a_dirty_cell_stays_and_its_bucket_is_cold_for_others() -> None:
    table = _table(1, 2, 3)
    stays = _key(1, user=2)
    _add(table, [stays], position=2)
    assert table.evict(0) == 3
    assert list(contents(table)) == [stays]
    assert _cold(table, stays, _key(1)) == [_key(1)]
    assert _dirty(table) == {stays}
    assert table.evict(0) == 1
    assert contents(table) == {}
    assert _cold(table, stays) == [stays]
    assert table.evict(0) == 0


def test_an_evicted_row_is_used_again_clean() -> None:
    table = _table(1)
    row = _rows(table, _key(1))
    for counts in table.sparse:
        counts.add(row, np.array([5]), np.array([1]))
    table.evict(0)
    assert _rows(table, _key(2)).tolist() == row.tolist()
    assert contents(table) == {_key(2): _EMPTY}
    assert table.take_dirty() is None


def test_an_evicted_cell_may_come_back_and_leave_again() -> None:
    table = _table(1)
    for _ in range(3):
        table.evict(0)
        assert _cold(table, _key(1)) == [_key(1)]
        table.load(cell_rows({_key(1): Cell(1, [1] * WIDTH, [{}, {}, {}])}))
        _add(table, [_key(1)], position=2)
        assert _messages(table, _key(1)) == 2
        table.evict(0)
        assert _messages(table, _key(1)) == 2  # dirty
        table.take_dirty()


def test_a_copy_does_not_change_with_its_cell() -> None:
    table = _table(1, durable=False)
    row = _rows(table, _key(1))
    table.sparse[0].add(row, np.array([5]), np.array([1]))
    copied = table.take_dirty()
    assert copied is not None
    before = cells_of(copied)
    _add(table, [_key(1)], position=2)
    table.sparse[0].add(row, np.array([5]), np.array([1]))
    assert _messages(table, _key(1)) == 2
    assert cells_of(copied) == before
    assert before[_key(1)].sparse == [{5: 1}, {}, {}]
    table.take_dirty()
    table.evict(0)
    assert cells_of(copied) == before


def test_thousands_of_cells_keep_their_rows() -> None:
    table = CellTable({})
    keys = [
        _key(bucket, user, code) for bucket in range(20) for user in range(20) for code in (0, 9)
    ]
    for batch in range(0, len(keys), 7):
        _add(table, keys[batch : batch + 7])
    _add(table, keys)
    more = [_key(bucket, user=99) for bucket in range(3000)]
    _add(table, more)
    assert len(table) == len(keys) + len(more)
    cells = contents(table)
    assert {cells[key].counters[_MESSAGES] for key in keys} == {2}
    assert {cells[key].counters[_MESSAGES] for key in more} == {1}


def test_adding_up_by_group() -> None:
    deltas = _deltas((1, 5), (2, 9), (4, 1), (8, 7))
    total = add_up(deltas, np.array([10, 20, 30, 40]), np.array([2, 0, 2, 2]), 4)
    assert total.groups.tolist() == [0, 2]
    assert total.deltas[:, [_MESSAGES, _MAX]].tolist() == [[2, 9], [13, 7]]
    assert total.last.tolist() == [20, 40]


@pytest.mark.parametrize("count", [0, 3])
def test_adding_up_nothing(count: int) -> None:
    none = np.zeros(0, np.int64)
    total = add_up(_deltas(), none, none, count)
    assert isinstance(total, Sums)
    assert len(total.groups) == len(total.deltas) == len(total.last) == 0


def test_adding_up_more_groups_than_fit_16_bits() -> None:
    groups = np.array([70_000, 1, 70_000, 65_537])
    total = add_up(_deltas((1, 1), (2, 2), (4, 4), (8, 8)), np.arange(4), groups, 70_001)
    assert total.groups.tolist() == [1, 65_537, 70_000]
    assert total.deltas[:, _MESSAGES].tolist() == [2, 8, 5]


def test_combinations_are_small_and_go_there_and_back() -> None:
    parts = [(d, t, c) for d in (1, 2) for t in (1, 2) for c in range(1, 26 * 26 + 1)]
    codes = [combination(*each) for each in parts]
    assert [combination_parts(code) for code in codes] == parts
    assert sorted(codes) == list(range(4, 4 + len(parts)))
    columns = combination(*np.array(parts).T)
    assert columns.tolist() == codes
    assert np.array(combination_parts(columns)).T.tolist() == [list(each) for each in parts]
