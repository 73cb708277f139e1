"""Cells: what is absent, new, cold or dirty, and that evicted rows leave nothing behind."""

from __future__ import annotations

import numpy as np
import pytest

from streams.core.cells import COLUMN, WIDTH, CellTable, Ints, Key, Sums, add_up

_MESSAGES, _MAX = COLUMN["messages"], COLUMN["processing_max_us"]


def _key(bucket: int, user: int = 1, code: int = 0) -> Key:
    return (user, bucket * 1000, code)


def _deltas(*rows: tuple[int, int]) -> Ints:
    """Rows of deltas: so many messages, and so long a processing time."""
    deltas = np.zeros((len(rows), WIDTH), np.int64)
    for row, (messages, longest) in zip(deltas, rows, strict=True):
        row[_MESSAGES], row[_MAX] = messages, longest
    return deltas


def _add(table: CellTable, keys: list[Key], position: int = 1) -> None:
    rows = table.rows_of(keys)
    table.add(rows, _deltas(*[(1, 5)] * len(keys)), np.full(len(keys), position, np.int64))


def _table(*buckets: int, durable: bool = True) -> CellTable:
    """A table with a cell of one message in each bucket."""
    table = CellTable({}, 0)
    _add(table, [_key(bucket) for bucket in buckets])
    if durable:
        table.dirty.clear()
    return table


def _messages(table: CellTable, key: Key) -> int:
    return int(table.counters[table.rows[key], _MESSAGES])


def test_an_absent_cell_is_new_from_hot_from_on_and_cold_before() -> None:
    table = CellTable({}, hot_from_ms=5000)
    assert not table.is_cold(_key(5))
    assert table.is_cold((1, 4999, 0))
    table.load(_key(4), 9, [0] * WIDTH, ({}, {}, {}))
    assert not table.is_cold(_key(4))
    assert table.is_cold(_key(4, user=2))


def test_a_new_cell_is_empty() -> None:
    table = CellTable({}, 0)
    row = table.row(_key(1))
    assert not table.counters[row].any()
    assert table.last[row] == -1
    assert [histograms[row] for histograms in table.sparse] == [None, None, None]
    assert not table.dirty


def test_adding_sums_and_takes_maxima() -> None:
    table = CellTable({}, 0)
    keys = [_key(1), _key(2)]
    table.add(table.rows_of(keys), _deltas((1, 5), (2, 3)), np.array([10, 11]))
    table.add(table.rows_of(keys[::-1]), _deltas((10, 2), (20, 4)), np.array([12, 13]))
    first, second = table.rows_of(keys)
    assert table.counters[first, [_MESSAGES, _MAX]].tolist() == [21, 5]
    assert table.counters[second, [_MESSAGES, _MAX]].tolist() == [12, 3]
    assert table.last[[first, second]].tolist() == [13, 12]
    assert table.dirty == {first, second}


def test_histograms_count_entries() -> None:
    table = CellTable({}, 0)
    table.load(_key(1), 3, [0] * WIDTH, ({7: 2}, {}, {}))
    row = table.row(_key(1))
    table.count(0, [(row, 7), (row, -1), (row, 7)])
    assert table.sparse[0][row] == {7: 4, -1: 1}
    assert table.sparse[1][row] is None


def test_a_loaded_cell_replaces_none_that_is_here() -> None:
    table = _table(1)
    table.load(_key(1), 99, [9] * WIDTH, ({1: 1}, {}, {}))
    assert _messages(table, _key(1)) == 1
    assert table.last[table.row(_key(1))] == 1


def test_a_loaded_cell_is_not_dirty() -> None:
    table = CellTable({}, 0)
    table.load(_key(1), 99, list(range(WIDTH)), ({1: 1}, {2: 2}, {3: 3}))
    row = table.row(_key(1))
    assert table.counters[row].tolist() == list(range(WIDTH))
    assert [histograms[row] for histograms in table.sparse] == [{1: 1}, {2: 2}, {3: 3}]
    assert (int(table.last[row]), table.dirty) == (99, set())


@pytest.mark.parametrize(
    ("keep", "left", "hot_from_ms"),
    [(4, [1, 2, 3, 4], 0), (3, [2, 3, 4], 1001), (2, [3, 4], 2001), (0, [], 4001)],
)
def test_the_oldest_buckets_are_evicted(keep: int, left: list[int], hot_from_ms: int) -> None:
    table = _table(3, 1, 4, 2)
    table.evict(keep)
    assert sorted(table.rows) == [_key(bucket) for bucket in left]
    assert table.hot_from_ms == hot_from_ms
    assert [bucket for bucket in (1, 2, 3, 4) if table.is_cold(_key(bucket))] == [
        bucket for bucket in (1, 2, 3, 4) if bucket not in left
    ]


def test_whole_buckets_are_evicted() -> None:
    table = _table(1, 2)
    _add(table, [_key(1, user=2), _key(1, user=3)])
    table.dirty.clear()
    table.evict(3)
    assert list(table.rows) == [_key(2)]
    assert table.is_cold(_key(1, user=4))


def test_a_dirty_cell_stays_and_its_bucket_is_cold_for_others() -> None:
    table = _table(1, 2, 3)
    _add(table, [_key(1, user=2)], position=2)
    table.evict(0)
    assert list(table.rows) == [_key(1, user=2)]
    assert not table.is_cold(_key(1, user=2))
    assert table.is_cold(_key(1))
    table.dirty.clear()
    table.evict(0)
    assert not table.rows
    assert table.is_cold(_key(1, user=2))


def test_an_evicted_row_is_used_again_clean() -> None:
    table = _table(1)
    row = table.row(_key(1))
    table.count(1, [(row, 5)])
    table.evict(0)
    assert table.row(_key(2)) == row
    assert not table.counters[row].any()
    assert table.last[row] == -1
    assert table.sparse[1][row] is None
    assert table.keys[row] == _key(2)


def test_an_evicted_cell_may_come_back_and_leave_again() -> None:
    table = _table(1)
    for _ in range(3):
        table.evict(0)
        assert table.is_cold(_key(1))
        table.load(_key(1), 1, [1] * WIDTH, ({}, {}, {}))
        _add(table, [_key(1)], position=2)
        assert _messages(table, _key(1)) == 2
        table.evict(0)
        assert _messages(table, _key(1)) == 2  # dirty
        table.dirty.clear()


def test_thousands_of_cells_keep_their_rows() -> None:
    table = CellTable({}, 0)
    keys = [
        _key(bucket, user, code) for bucket in range(20) for user in range(20) for code in (0, 9)
    ]
    for batch in range(0, len(keys), 7):
        _add(table, keys[batch : batch + 7])
    _add(table, keys)
    more = [_key(bucket, user=99) for bucket in range(3000)]
    _add(table, more)
    assert len(table) == len(keys) + len(more)
    assert {_messages(table, key) for key in keys} == {2}
    assert {_messages(table, key) for key in more} == {1}


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
