"""Runs of crashes, evictions and changing reference data: every total stays exact."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest

from schemas.units import position
from streams.core.orphans import Orphan
from streams.core.seen import SidFilter, hashes_of
from streams.working_set import WorkingSet
from tests.streams.columns import Cell, Key, contents, empty_tables, fold_messages
from tests.streams.disk import Disk, GivenReference, Record, chunk, make_folder, new_state
from tests.streams.samples import NOON_MS, Message, event, reference

_USERS: list[dict[str, Any]] = [
    {"user_id": 1},
    {"user_id": 2},
    {"user_id": None, "phone_number": "+491"},
]
_RECORD_MS = NOON_MS + 60_000


def _any_record(seeded: random.Random, sids: list[str], share_of_receipts: float) -> Record:
    if seeded.random() < 0.05:
        return (b"7", b"{poison", NOON_MS)
    who = seeded.choice(_USERS)
    key = str(who["user_id"] or "+491").encode()
    if seeded.random() < share_of_receipts:
        return (key, _receipt(seeded, len(sids), who), _RECORD_MS)
    sid = f"SM{len(sids)}" if seeded.random() < 0.8 else seeded.choice([*sids, "SM0"])
    sids.append(sid)
    fields = {
        "occurred_at": _time(seeded, 6, 12),
        "processing_time_ms": seeded.choice([None, 0, 12.5, 1000]),
        "error_code": seeded.choice([None, 30003]),
        "price": seeded.choice([None, None, None, "0.005"]),
        "status": seeded.choice([None, None, "queued", "canceled"]),
    }
    return (key, event(sid, **fields, **who), _RECORD_MS)


def _receipt(seeded: random.Random, count: int, who: dict[str, Any]) -> bytes:
    """A receipt of a message that came lately or, less often, is yet to come, if it ever does."""
    return event(
        f"SM{max(0, count + seeded.choice([-200, -30, -9, -5, -3, -2, -1, -1, 1, 3, 30]))}",
        type="status",
        direction=None,
        occurred_at=_time(seeded, 6, 12),
        status=seeded.choice(["queued", "sent", "delivered", "delivered", "failed", "read"]),
        error_code=seeded.choice([None, 30003, 30004]),
        price=seeded.choice([None, None, "-0.0075", "0.01"]),
        **who,
    )


def _time(seeded: random.Random, first_hour: int, end_hour: int) -> str:
    hour, minute = seeded.randrange(first_hour, end_hour), seeded.randrange(60)
    return f"2026-03-01T{hour:02d}:{minute:02d}:00Z"


def _start(disk: Disk, seeded: random.Random) -> tuple[WorkingSet, Any]:
    """A working set as a new worker loads it, and a folder with changed reference data."""
    sids = SidFilter(1)
    sids.add(hashes_of([sid.encode() for sid in disk.log]))
    state = new_state(next_offset=max(0, disk.next_offset - seeded.choice([0, 0, 1, 30])))
    state.messages.load(disk.messages_since(state.source, state.position(state.next_offset)))
    for orphan in disk.waiting():
        state.orphans.add(orphan, is_durable=True)
    for name, table in state.tables.items():
        buckets = sorted({key[1] for key in disk.cells[name]})
        table.hot_from_s = seeded.choice([0, *buckets, *buckets])
        disk.load(name, table, [key for key in disk.cells[name] if key[1] >= table.hot_from_s])
    known = GivenReference(reference(users=seeded.choice([{}, {"+491": 3}, {"+491": 4}])))
    return state, make_folder(disk, known, sids)


def _run_until_it_dies(disk: Disk, records: Sequence[Record], seeded: random.Random) -> bool:
    """Fold and flush from where the disk stands; True when the end was reached and flushed."""
    state, folder = _start(disk, seeded)
    flushes_left = seeded.randrange(8)
    while True:
        for _ in range(seeded.randrange(3)):
            start = state.next_offset
            part = records[start : start + seeded.randint(1, 60)]
            if part:
                folder.fold(state, chunk(part, first=start))
        is_end = state.next_offset == len(records)
        snapshot = state.snapshot()
        after = records[state.next_offset : state.next_offset + seeded.randrange(30)]
        if after:  # folded while the flush is under way
            folder.fold(state, chunk(after, first=state.next_offset))
        steps = disk.steps(snapshot)
        if not flushes_left:
            for step in steps[: seeded.randrange(len(steps))]:
                step()
            return False
        for step in steps:
            step()
        state.acknowledge(snapshot, max_cells=seeded.choice([0, 5, 1000]), max_messages=20)
        if is_end:
            return True
        flushes_left -= 1


def _cells_of(messages: Iterable[Message]) -> dict[str, dict[Key, Cell]]:
    """The cells of messages, folded all at once into memory (tests of the fold prove that)."""
    tables = empty_tables()
    ordered = sorted(messages, key=lambda message: message.position)
    fold_messages(tables, ordered, _RECORD_MS)
    return {name: contents(table) for name, table in tables.items()}


def _outcomes(messages: Iterable[Message]) -> dict[str, Message]:
    """Messages less their users, which depend on what was known when they were first folded."""
    return {
        each.sid: msgspec.structs.replace(each, user_id=0, user_decision="event")
        for each in messages
    }


def _receipts(waiting: Iterable[Orphan]) -> list[Orphan]:
    """Receipts less whose they are, which depends on the mapping of the time, as with messages."""
    return [orphan._replace(user_id=0) for orphan in waiting]


@pytest.mark.parametrize("share_of_receipts", [0, 0.3, 0.7])
@pytest.mark.parametrize("seed", range(8))
def test_crashes_evictions_and_changing_reference_data_leave_every_total_exact(
    seed: int, share_of_receipts: float
) -> None:
    seeded = random.Random(seed)
    sids: list[str] = []
    records = [_any_record(seeded, sids, share_of_receipts) for _ in range(700)]
    disk = Disk()
    deaths: Counter[bool] = Counter()
    while not deaths[True]:
        deaths[_run_until_it_dies(disk, records, seeded)] += 1
    assert deaths[False] > 0
    assert disk.next_offset == len(records)
    first: dict[str, int] = {}
    for offset, (_, value, _) in enumerate(records):
        if value is not None and b'"direction"' in value:
            first.setdefault(msgspec.json.decode(value)["message_sid"], position(1, offset))
    assert set(first) == set(sids)
    assert {sid: message.position for sid, message in disk.log.items()} == first
    whole = _whole(records)
    assert _outcomes(disk.log.values()) == _outcomes(whole.log.values())
    assert disk.histories == whole.histories
    assert _receipts(disk.waiting()) == _receipts(whole.waiting())
    assert bool(disk.waiting()) is bool(share_of_receipts)
    cells = _cells_of(disk.log.values())
    if share_of_receipts:  # which are the last events of some cells
        cells = {
            name: {key: each._replace(last=disk.cells[name][key].last) for key, each in of.items()}
            for name, of in cells.items()
        }
    assert disk.cells == cells


def _whole(records: Sequence[Record]) -> Disk:
    """What is durable after one worker has folded everything at once, and nothing happened."""
    disk, state = Disk(), new_state()
    make_folder(disk).fold(state, chunk(records))
    for step in disk.steps(state.snapshot()):
        step()
    return disk
