"""Chunks into a working set: duplicates, replays, quarantine, poison, and a run of crashes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from schemas.events import MAX_FUTURE_MS
from schemas.rows import CELL_TABLES
from schemas.units import DAY_MS, position
from streams import folding
from streams.core.cells import CellTable, Key
from streams.core.fold import batch_of, fold, group
from streams.core.message import Message, Reference
from streams.core.seen import SidFilter, hashes_of
from streams.errors import PoisonRecordError
from streams.folding import Chunk, Folder
from streams.rows import CellRows
from streams.working_set import Snapshot, WorkingSet
from tests.streams.samples import NOON_MS, event, reference

Record = tuple[bytes | None, bytes | None, int]
"""Key, value and timestamp of a record."""


class GivenReference:
    """Reference data as given; `later` is what is known once it has been read to its end."""

    def __init__(self, current: Reference, later: Reference | None = None) -> None:
        self.current = current
        self._later = later
        self.times_caught_up = 0

    def catch_up(self) -> None:
        self.times_caught_up += 1
        self.current = self._later or self.current


class Disk:
    """What is durable: absolute rows of messages and cells, the newest version of each."""

    def __init__(self) -> None:
        self.log: dict[str, Message] = {}
        self.cells: dict[str, dict[Key, tuple[int, Any, Any]]] = {name: {} for name in CELL_TABLES}
        self.next_offset = 0
        self.reads = 0

    def messages(self, source: int, sids: Sequence[str]) -> dict[str, Message]:
        self.reads += 1
        return {sid: msgspec.structs.replace(self.log[sid]) for sid in sids if sid in self.log}

    def load_cold(
        self, tables: Mapping[str, CellTable], keys: Mapping[str, Iterable[Key]], source: int
    ) -> dict[str, int]:
        self.reads += 1
        for name, wanted in keys.items():
            for key in wanted:
                self.load(name, tables[name], key)
        return {}

    def load(self, name: str, table: CellTable, key: Key) -> None:
        if key in self.cells[name]:
            last, counters, sparse = self.cells[name][key]
            table.load(key, last, counters, tuple(map(dict, sparse)))

    def steps(self, snapshot: Snapshot) -> list[Any]:
        """The writes of a flush, in the order of durability; a crash may come between any two."""
        middle = len(snapshot.messages) // 2
        return [
            lambda: self._write_messages(snapshot.messages[:middle]),
            lambda: self._write_messages(snapshot.messages[middle:]),
            *[
                lambda name=name, rows=rows: self._write_cells(name, rows)
                for name, rows in snapshot.cells.items()
            ],
            lambda: setattr(self, "next_offset", max(self.next_offset, snapshot.next_offset)),
        ]

    def _write_messages(self, messages: Iterable[Message]) -> None:
        self.log.update({message.sid: msgspec.structs.replace(message) for message in messages})

    def _write_cells(self, name: str, rows: CellRows) -> None:
        starts = [0, 0, 0]
        for index, key in enumerate(rows.keys):
            sparse = []
            for kind, histograms in enumerate(rows.sparse):
                end = starts[kind] + int(histograms.sizes[index])
                entries = slice(starts[kind], end)
                sparse.append(
                    dict(
                        zip(
                            histograms.keys[entries].tolist(),
                            histograms.counts[entries].tolist(),
                            strict=True,
                        )
                    )
                )
                starts[kind] = end
            row = (int(rows.last[index]), rows.counters[index].tolist(), tuple(sparse))
            before = self.cells[name].get(key)
            if before is None or before[0] <= row[0]:
                self.cells[name][key] = row


def _folder(disk: Disk, known: GivenReference | None = None, sids: SidFilter | None = None) -> Any:
    store: Any = disk
    given: Any = known or GivenReference(reference())
    return Folder(store, sids or SidFilter(1), given)


def _state(next_offset: int = 0) -> WorkingSet:
    return WorkingSet(epoch=1, partition=2, next_offset=next_offset, as_of_ms=0)


def _chunk(records: Sequence[Record], first: int = 0) -> Chunk:
    keys, values, timestamps = (list(column) for column in zip(*records, strict=True))
    return Chunk(1, 2, list(range(first, first + len(records))), keys, values, timestamps)


def _record(sid: str = "SM1", timestamp: int = NOON_MS, **fields: Any) -> Record:
    return (b"7", event(sid, **fields), timestamp)


def _sids(state: WorkingSet) -> list[str]:
    return [message.sid for message in state.messages]


def test_what_a_chunk_becomes() -> None:
    state = _state()
    _folder(Disk()).fold(
        state, _chunk([_record(), _record("SM2"), _record(), (b"8", event("SM3"), NOON_MS + 9)])
    )
    assert _sids(state) == ["SM1", "SM2"]
    assert [message.position for message in state.messages] == [position(1, 0), position(1, 1)]
    (letter,) = state.dead_letters
    assert letter[:4] == (2, 3, b"8", event("SM3"))
    assert letter.reason == "invalid_key"
    assert (state.next_offset, state.pending, state.as_of_ms) == (4, 4, NOON_MS + 9)
    assert {name: len(table) for name, table in state.tables.items()} == dict.fromkeys(
        CELL_TABLES, 1
    )


def test_a_chunk_since_an_offset() -> None:
    chunk = _chunk([_record(f"SM{n}") for n in range(4)], first=10)
    assert chunk.since(12) == _chunk([_record("SM2"), _record("SM3")], first=12)
    assert chunk.since(10) == chunk
    assert chunk.since(14).offsets == []
    holed = chunk._replace(offsets=[10, 12, 15, 16])
    assert holed.since(13).offsets == [15, 16]


@pytest.mark.parametrize(
    ("late_ms", "reason"),
    [
        (-MAX_FUTURE_MS, None),
        (-MAX_FUTURE_MS - 1, "in_future"),
        (400 * DAY_MS, None),
        (400 * DAY_MS + 1, "too_old"),
    ],
)
def test_times_at_their_limits(late_ms: int, reason: str | None) -> None:
    state = _state()
    _folder(Disk()).fold(state, _chunk([_record(timestamp=NOON_MS + late_ms)]))
    assert [letter.reason for letter in state.dead_letters] == ([reason] if reason else [])
    assert len(state.messages) == (reason is None)


def test_the_retention_is_a_setting() -> None:
    state = _state()
    known = GivenReference(reference(retention_days=1))
    _folder(Disk(), known).fold(state, _chunk([_record(timestamp=NOON_MS + DAY_MS + 1)]))
    assert state.dead_letters[0].detail.endswith("limit 1 days")


def test_a_duplicate_is_known_by_its_sid_alone() -> None:
    state = _state()
    folder = _folder(Disk())
    folder.fold(state, _chunk([_record(body_length=1)]))
    folder.fold(state, _chunk([_record(body_length=2), _record(event_id="other")], first=1))
    (message,) = state.messages
    assert message.body_length == 1
    assert state.next_offset == 3


def test_a_rejected_record_is_no_message() -> None:
    state = _state()
    records = [_record(price="1", price_unit="GBP"), _record(segments=0), _record()]
    _folder(Disk()).fold(state, _chunk(records))
    assert [letter.reason for letter in state.dead_letters] == [
        "unsupported_currency",
        "invalid_field",
    ]
    (message,) = state.messages
    assert message.position == position(1, 2)


def test_a_duplicate_of_a_message_that_is_no_longer_in_memory() -> None:
    disk, sids = Disk(), SidFilter(1)
    state = _state()
    _folder(disk, sids=sids).fold(state, _chunk([_record()]))
    for step in disk.steps(state.snapshot()):
        step()
    other = _state(next_offset=1)
    folder = _folder(disk, sids=sids)
    folder.fold(other, _chunk([_record(), _record("SM2")], first=1))
    assert _sids(other) == ["SM2"]
    assert disk.reads == 1
    folder.fold(other, _chunk([_record("SM3")], first=3))
    assert disk.reads == 1  # never seen, so not asked for


def test_a_replay_keeps_its_first_decisions() -> None:
    disk, sids = Disk(), SidFilter(1)
    phone = (b"+491", event(user_id=None, phone_number="+491"), NOON_MS)
    state = _state()
    _folder(disk, GivenReference(reference(users={"+491": 3})), sids).fold(state, _chunk([phone]))
    disk.steps(state.snapshot())[1]()  # the usage log is written, then the worker dies
    again = _state()
    _folder(disk, GivenReference(reference(users={"+491": 4})), sids).fold(again, _chunk([phone]))
    assert again.messages == []
    assert {key[0] for table in again.tables.values() for key in table.rows} == {0, 3}


def test_a_number_without_a_user_is_looked_for_once_more() -> None:
    phones = [
        (b"+491", event(f"SM{n}", user_id=None, phone_number="+491"), NOON_MS) for n in range(3)
    ]
    known = GivenReference(reference(), reference(users={"+491": 3}))
    state = _state()
    _folder(Disk(), known).fold(state, _chunk([_record("SM"), *phones]))
    assert [message.user_id for message in state.messages] == [7, 3, 3, 3]
    assert known.times_caught_up == 1
    never = GivenReference(reference())
    _folder(Disk(), never).fold(_state(), _chunk(phones))
    assert never.times_caught_up == 1


def test_a_quarantined_record_is_set_aside_unread() -> None:
    state = _state()
    state.quarantined = {1: "it kills the worker"}
    deep = b"[" * 100_000
    _folder(Disk()).fold(state, _chunk([_record(), (None, deep, NOON_MS), _record("SM2")]))
    assert _sids(state) == ["SM1", "SM2"]
    (letter,) = state.dead_letters
    assert letter == (2, 1, None, deep, "quarantined", "it kills the worker")


def test_a_quarantined_message_may_be_sent_again() -> None:
    state = _state()
    state.quarantined = {0: "why"}
    _folder(Disk()).fold(state, _chunk([_record(), _record()]))
    assert [message.position for message in state.messages] == [position(1, 1)]


def test_a_rule_that_fails_names_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def decide(event_: Any, *arguments: Any) -> Any:
        if event_.message_sid == "EVIL":
            raise ZeroDivisionError("by the rules")
        return original(event_, *arguments)

    original = folding.decide
    monkeypatch.setattr(folding, "decide", decide)
    with pytest.raises(PoisonRecordError) as raised:
        _folder(Disk()).fold(_state(), _chunk([_record(), _record("EVIL")], first=40))
    assert (raised.value.partition, raised.value.offset) == (2, 41)
    assert str(raised.value) == "partition 2 offset 41: ZeroDivisionError: by the rules"


def _any_record(seeded: random.Random, sids: list[str]) -> Record:
    if seeded.random() < 0.05:
        return (b"7", b"{poison", NOON_MS)
    sid = f"SM{len(sids)}" if seeded.random() < 0.8 else seeded.choice([*sids, "SM0"])
    sids.append(sid)
    who = seeded.choice([{"user_id": 1}, {"user_id": 2}, {"user_id": None, "phone_number": "+491"}])
    key = str(who["user_id"] or "+491").encode()
    hour, minute = seeded.randrange(6, 12), seeded.randrange(60)
    fields = {
        "occurred_at": f"2026-03-01T{hour:02d}:{minute:02d}:00Z",
        "processing_time_ms": seeded.choice([None, 0, 12.5, 1000]),
        "error_code": seeded.choice([None, 30003]),
        **who,
    }
    return (key, event(sid, **fields), NOON_MS + 60_000)


def _start(disk: Disk, seeded: random.Random) -> tuple[WorkingSet, Any]:
    """A working set as a new worker loads it, and a folder with changed reference data."""
    sids = SidFilter(1)
    sids.add(hashes_of(list(disk.log)))
    state = _state(next_offset=max(0, disk.next_offset - seeded.choice([0, 0, 1, 30])))
    first = position(1, state.next_offset)
    for message in disk.log.values():
        if message.version >= first:
            state.remember(msgspec.structs.replace(message))
    for name, table in state.tables.items():
        buckets = sorted({key[1] for key in disk.cells[name]})
        table.hot_from_ms = seeded.choice([0, *buckets, *buckets])
        for key in disk.cells[name]:
            if key[1] >= table.hot_from_ms:
                disk.load(name, table, key)
    known = GivenReference(reference(users=seeded.choice([{}, {"+491": 3}, {"+491": 4}])))
    return state, _folder(disk, known, sids)


def _run_until_it_dies(disk: Disk, records: Sequence[Record], seeded: random.Random) -> bool:
    """Fold and flush from where the disk stands; True when the end was reached and flushed."""
    state, folder = _start(disk, seeded)
    flushes_left = seeded.randrange(8)
    while True:
        for _ in range(seeded.randrange(3)):
            start = state.next_offset
            part = records[start : start + seeded.randint(1, 60)]
            if part:
                folder.fold(state, _chunk(part, first=start))
        is_end = state.next_offset == len(records)
        snapshot = state.snapshot()
        after = records[state.next_offset : state.next_offset + seeded.randrange(30)]
        if after:  # folded while the flush is under way
            folder.fold(state, _chunk(after, first=state.next_offset))
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


def _cells_of(messages: Iterable[Message]) -> dict[str, dict[Key, tuple[int, Any, Any]]]:
    """The cells of messages, folded all at once into memory (tests of the fold prove that)."""
    ordered = sorted(messages, key=lambda message: message.position)
    tables = {name: CellTable({}, 0) for name in CELL_TABLES}
    batch = batch_of(ordered, [NOON_MS + 60_000] * len(ordered))
    fold(tables, group(batch), batch)
    return {
        name: {
            key: (
                int(table.last[row]),
                table.counters[row].tolist(),
                tuple(dict(sparse[row] or {}) for sparse in table.sparse),
            )
            for key, row in table.rows.items()
        }
        for name, table in tables.items()
    }


@pytest.mark.parametrize("seed", range(20))
def test_crashes_evictions_and_changing_reference_data_leave_every_total_exact(seed: int) -> None:
    seeded = random.Random(seed)
    sids: list[str] = []
    records = [_any_record(seeded, sids) for _ in range(700)]
    disk = Disk()
    deaths: Counter[bool] = Counter()
    while not deaths[True]:
        deaths[_run_until_it_dies(disk, records, seeded)] += 1
    assert deaths[False] > 0
    assert disk.next_offset == len(records)
    assert set(disk.log) == set(sids)
    first = {}
    for offset, (_, value, _) in enumerate(records):
        if value is not None and value[:2] != b"{p":
            first.setdefault(msgspec.json.decode(value)["message_sid"], position(1, offset))
    assert {sid: message.position for sid, message in disk.log.items()} == first
    assert disk.cells == _cells_of(disk.log.values())
