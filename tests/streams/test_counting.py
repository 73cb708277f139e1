"""User cells alone: what is counted, what goes to the dead letters, what is not kept."""

from __future__ import annotations

from typing import Any

from schemas.rows import CELL_TABLES, USER_15M
from streams.core.cells import COLUMN
from streams.core.seen import SidFilter
from streams.counting import CountingFolder
from streams.intake import Chunk
from streams.working_set import WorkingSet
from tests.streams.samples import event
from tests.streams.test_examples import _EmptyStore, _FixedReference

_AT_MS = 1_772_366_400_000


def test_messages_count_once_a_record_and_receipts_not_at_all() -> None:
    state = WorkingSet(epoch=0, partition=3, next_offset=0, as_of_ms=0)
    values = [
        event("SM1", status="delivered", segments=2),
        event("SM1", status="delivered", segments=2),
        event("SM2", type="status", status="read"),
        b"{",
    ]
    store: Any = _EmptyStore()
    reference: Any = _FixedReference()
    folder = CountingFolder(store, SidFilter(1), reference, bytes)
    folder.fold(state, Chunk.of(3, 0, [(b"7", value, _AT_MS) for value in values]))
    snapshot = state.snapshot()
    assert [letter.reason for letter in snapshot.dead_letters] == ["invalid_json"]
    assert (len(snapshot.messages.sids), len(snapshot.orphans), snapshot.next_offset) == (0, 0, 4)
    assert list(snapshot.cells) == [USER_15M]
    assert set(state.tables) == set(CELL_TABLES)
    (cell,) = snapshot.cells[USER_15M].counters
    assert (cell[COLUMN["messages"]], cell[COLUMN["segments"]]) == (2, 4)
    assert cell[COLUMN["status_delivered"]] == 2
