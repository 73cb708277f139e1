"""What a flush takes and gives back, what `as_of` may claim, and when memory is let go."""

from __future__ import annotations

import pytest

from schemas.rows import CELL_TABLES
from schemas.units import position
from streams.core.history import Entry
from streams.core.orphans import Orphan
from streams.working_set import DeadLetter, Snapshot, WorkingSet
from tests.streams.columns import cells_of, contents, fold_messages, messages_of, rows_of
from tests.streams.samples import NOON_MS, message

_LETTER = DeadLetter(3, 5, b"7", b"{", "invalid_json", "why")
_KEEP_ALL = {"max_cells": 1000, "max_messages": 1000}


def _state(next_offset: int = 10, as_of_ms: int = 0) -> WorkingSet:
    return WorkingSet(epoch=2, partition=3, next_offset=next_offset, as_of_ms=as_of_ms)


def _fold(state: WorkingSet, *offsets: int, occurred_ms: int = NOON_MS) -> None:
    """Fold a message at each offset, as `streams.folding` does."""
    messages = [
        message(
            f"SM{offset}",
            position=state.position(offset),
            version=state.position(offset),
            occurred_ms=occurred_ms,
        )
        for offset in offsets
    ]
    fold_messages(state.tables, messages, NOON_MS)
    rows = rows_of(messages)
    state.messages.add(rows.sids, rows.messages)
    state.folded(offsets[-1] + 1, NOON_MS)


def _sids(snapshot: Snapshot) -> list[str]:
    rows = snapshot.messages
    return [each.sid for each in messages_of(rows.sids, rows.messages)]


def _counted(snapshot: Snapshot) -> set[int]:
    """How many messages the cells of a snapshot count; all of them the same."""
    return {
        cell.counters[0] for rows in snapshot.cells.values() for cell in cells_of(rows).values()
    }


def _is_known(state: WorkingSet, offset: int) -> bool:
    return int(state.messages.find([b"SM%d" % offset])[0]) >= 0


def test_a_new_working_set() -> None:
    state = _state()
    assert state.source == 2 << 16 | 3
    assert state.position(7) == position(2, 7) == (2 << 48) + 7
    assert (state.pending, state.durable_offset, state.end_offset) == (0, 10, 10)


def test_a_snapshot_holds_everything_since_the_last_one() -> None:
    state = _state()
    _fold(state, 10, 11)
    state.dead_letters.append(_LETTER)
    first = state.snapshot()
    assert _sids(first) == ["SM10", "SM11"]
    assert first.dead_letters == [_LETTER]
    assert (first.partition, first.source, first.next_offset) == (3, state.source, 12)
    assert set(first.cells) == set(CELL_TABLES)
    assert _counted(first) == {2}
    second = state.snapshot()
    assert (_sids(second), second.orphans, second.dead_letters, second.cells) == ([], [], [], {})


def test_a_snapshot_holds_the_receipts_that_wait() -> None:
    state = _state()
    entry = Entry(state.position(10), 6, None, None, NOON_MS, False)
    orphan = Orphan(state.source, b"SM1", entry, NOON_MS, b"7", b"{}")
    state.orphans.add(orphan)
    assert state.snapshot().orphans == [orphan]
    assert state.snapshot().orphans == []
    assert state.orphans.take(b"SM1", 1 << 62, NOON_MS) == [entry]
    assert state.snapshot().orphans == [orphan._replace(is_gone=True)]


def test_a_snapshot_is_not_changed_by_later_folds() -> None:
    state = _state()
    _fold(state, 10)
    snapshot = state.snapshot()
    _fold(state, 11, 12)
    assert _sids(snapshot) == ["SM10"]
    assert _counted(snapshot) == {1}
    assert {rows.last.tolist()[0] for rows in snapshot.cells.values()} == {position(2, 10)}
    assert snapshot.next_offset == 11
    assert _counted(state.snapshot()) == {3}


def test_pending_is_what_is_folded_and_not_acknowledged() -> None:
    state = _state()
    _fold(state, 10, 11)
    snapshot = state.snapshot()
    assert state.pending == 2
    _fold(state, 12)
    assert state.pending == 3
    state.acknowledge(snapshot, **_KEEP_ALL)
    assert (state.pending, state.durable_offset) == (1, 12)


def test_a_cell_that_changed_during_its_flush_is_written_again_and_stays() -> None:
    state = _state()
    _fold(state, 10)
    _fold(state, 11, occurred_ms=NOON_MS + 86_400_000)
    snapshot = state.snapshot()
    _fold(state, 12)
    evicted = state.acknowledge(snapshot, max_cells=0, max_messages=1000)
    assert evicted == dict.fromkeys(CELL_TABLES, 1)
    for table in state.tables.values():
        assert [bucket_s // 86_400 for _, bucket_s, _ in contents(table)] == [NOON_MS // 86_400_000]
    assert _counted(state.snapshot()) == {2}


def test_cells_within_the_limit_stay() -> None:
    state = _state()
    _fold(state, 10)
    _fold(state, 11, occurred_ms=NOON_MS - 86_400_000)
    evicted = state.acknowledge(state.snapshot(), max_cells=2, max_messages=1000)
    assert evicted == dict.fromkeys(CELL_TABLES, 0)
    assert {len(table) for table in state.tables.values()} == {2}


@pytest.mark.parametrize(
    ("end_offset", "at_ms", "as_of_ms"),
    [
        pytest.param(11, NOON_MS + 500, NOON_MS + 500, id="caught up"),
        pytest.param(12, NOON_MS + 500, NOON_MS, id="behind by one record"),
        pytest.param(10, NOON_MS + 500, NOON_MS + 500, id="past the end that was seen"),
        pytest.param(11, NOON_MS - 500, NOON_MS, id="the record is newer than the look"),
    ],
)
def test_as_of(end_offset: int, at_ms: int, as_of_ms: int) -> None:
    state = _state()
    state.checked(end_offset, at_ms)
    _fold(state, 10)
    snapshot = state.snapshot()
    assert snapshot.as_of_ms == as_of_ms
    assert snapshot.end_offset == max(end_offset, 11)


def test_as_of_is_the_last_records_time_until_the_end_was_looked_at() -> None:
    state = _state(as_of_ms=NOON_MS - 9)
    assert state.snapshot().as_of_ms == NOON_MS - 9
    _fold(state, 10)
    assert state.snapshot().as_of_ms == NOON_MS


def test_as_of_of_an_idle_partition_moves_with_each_look() -> None:
    state = _state()
    for at_ms in (NOON_MS, NOON_MS + 1000):
        state.checked(10, at_ms)
        assert state.snapshot().as_of_ms == at_ms


def test_as_of_never_moves_back() -> None:
    state = _state(as_of_ms=NOON_MS + 10_000)
    _fold(state, 10)
    state.checked(11, NOON_MS)
    assert state.snapshot().as_of_ms == NOON_MS + 10_000


def test_a_message_is_found_until_it_is_durable_and_beyond_the_limit() -> None:
    state = _state(next_offset=0)
    durable, offset = 0, 0
    for _ in range(50):
        _fold(state, *range(offset, offset + 3))
        offset += 3
        snapshot = state.snapshot()
        _fold(state, offset, offset + 1)
        offset += 2
        state.acknowledge(snapshot, max_cells=1000, max_messages=20)
        durable = snapshot.next_offset
        for recent in range(durable, offset):
            assert _is_known(state, recent)
        found = [each for each in range(offset) if _is_known(state, each)]
        assert found == list(range(found[0], offset))
        # At most two halves of the limit, each over by what is folded between two flushes.
        assert len(found) <= 20 + 2 * 5
    assert durable == 248
    assert not _is_known(state, 0)
