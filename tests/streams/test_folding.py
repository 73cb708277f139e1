"""Chunks into a working set: duplicates, replays, keys, limits of time, quarantine, and poison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from schemas.events import MAX_FUTURE_MS
from schemas.rows import CELL_TABLES
from schemas.units import DAY_MS, position
from streams.core import message as rules
from streams.core.decode import Decoder
from streams.core.events import Events
from streams.core.seen import SidFilter
from streams.errors import PoisonRecordError
from streams.intake import Chunk
from streams.working_set import WorkingSet
from tests.streams.columns import contents
from tests.streams.disk import (
    Disk,
    GivenReference,
    chunk,
    make_folder,
    new_state,
    record,
    unwritten,
)
from tests.streams.samples import NOON_MS, event, reference


def _sids(state: WorkingSet) -> list[str]:
    return [message.sid for message in unwritten(state)]


def test_what_a_chunk_becomes() -> None:
    state = new_state()
    make_folder(Disk()).fold(
        state, chunk([record(), record("SM2"), record(), (b"8", event("SM3"), NOON_MS + 9)])
    )
    (letter,) = state.dead_letters
    assert letter[:4] == (2, 3, b"8", event("SM3"))
    assert letter.reason == "invalid_key"
    assert (state.next_offset, state.pending, state.as_of_ms) == (4, 4, NOON_MS + 9)
    assert {name: len(table) for name, table in state.tables.items()} == dict.fromkeys(
        CELL_TABLES, 1
    )
    assert [(message.sid, message.position) for message in unwritten(state)] == [
        ("SM1", position(1, 0)),
        ("SM2", position(1, 1)),
    ]


def _plain(some: Chunk) -> list[Any]:
    """The columns of a chunk as lists."""
    return [some.offsets.tolist(), list(some.keys), list(some.values), some.timestamps.tolist()]


def test_a_chunk_since_an_offset() -> None:
    whole = chunk([record(f"SM{n}") for n in range(4)], first=10)
    assert _plain(whole.since(12)) == _plain(chunk([record("SM2"), record("SM3")], first=12))
    assert _plain(whole.since(10)) == _plain(whole)
    assert _plain(whole.since(14))[0] == []
    holed = whole._replace(offsets=np.array([10, 12, 15, 16]))
    assert _plain(holed.since(13))[0] == [15, 16]


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
    state = new_state()
    make_folder(Disk()).fold(state, chunk([record(timestamp=NOON_MS + late_ms)]))
    assert [letter.reason for letter in state.dead_letters] == ([reason] if reason else [])
    assert len(state.messages) == (reason is None)


def test_the_retention_is_a_setting() -> None:
    state = new_state()
    known = GivenReference(reference(retention_days=1))
    make_folder(Disk(), known).fold(state, chunk([record(timestamp=NOON_MS + DAY_MS + 1)]))
    assert state.dead_letters[0].detail.endswith("limit 1 days")


def test_a_duplicate_is_known_by_its_sid_alone() -> None:
    state = new_state()
    folder = make_folder(Disk())
    folder.fold(state, chunk([record(body_length=1)]))
    folder.fold(state, chunk([record(body_length=2), record(event_id="other")], first=1))
    (message,) = unwritten(state)
    assert message.body_length == 1
    assert state.next_offset == 3


def test_a_rejected_record_is_no_message() -> None:
    state = new_state()
    records = [record(price="1", price_unit="GBP"), record(segments=0), record()]
    make_folder(Disk()).fold(state, chunk(records))
    assert [letter.reason for letter in state.dead_letters] == [
        "unsupported_currency",
        "invalid_field",
    ]
    (message,) = unwritten(state)
    assert message.position == position(1, 2)


def test_a_duplicate_of_a_message_that_is_no_longer_in_memory() -> None:
    disk, sids = Disk(), SidFilter(1)
    state = new_state()
    make_folder(disk, sids=sids).fold(state, chunk([record()]))
    for step in disk.steps(state.snapshot()):
        step()
    other = new_state(next_offset=1)
    folder = make_folder(disk, sids=sids)
    folder.fold(other, chunk([record(), record("SM2")], first=1))
    assert _sids(other) == ["SM2"]
    assert disk.reads == 1
    folder.fold(other, chunk([record("SM3")], first=3))
    assert disk.reads == 1  # never seen, so not asked for


def test_a_replay_keeps_its_first_decisions() -> None:
    disk, sids = Disk(), SidFilter(1)
    phone = (b"+491", event(user_id=None, phone_number="+491"), NOON_MS)
    state = new_state()
    make_folder(disk, GivenReference(reference(users={"+491": 3})), sids).fold(
        state, chunk([phone])
    )
    disk.steps(state.snapshot())[1]()  # the usage log is written, then the worker dies
    assert disk.log["SM1"].user_id == 3
    again = new_state()
    make_folder(disk, GivenReference(reference(users={"+491": 4})), sids).fold(
        again, chunk([phone])
    )
    assert unwritten(again) == []
    assert {key[0] for table in again.tables.values() for key in contents(table)} == {0, 3}


def test_a_number_without_a_user_is_looked_for_once_more() -> None:
    phones = [
        (b"+491", event(f"SM{n}", user_id=None, phone_number="+491"), NOON_MS) for n in range(3)
    ]
    known = GivenReference(reference(), reference(users={"+491": 3}))
    state = new_state()
    make_folder(Disk(), known).fold(state, chunk([record("SM"), *phones]))
    assert [message.user_id for message in unwritten(state)] == [7, 3, 3, 3]
    assert known.times_caught_up == 1
    never = GivenReference(reference())
    make_folder(Disk(), never).fold(new_state(), chunk(phones))
    assert never.times_caught_up == 1


def test_a_quarantined_record_is_set_aside_unread() -> None:
    state = new_state()
    state.quarantined = {1: "it kills the worker"}
    deep = b"[" * 100_000
    make_folder(Disk()).fold(state, chunk([record(), (None, deep, NOON_MS), record("SM2")]))
    assert _sids(state) == ["SM1", "SM2"]
    (letter,) = state.dead_letters
    assert letter == (2, 1, None, deep, "quarantined", "it kills the worker")


def test_a_quarantined_message_may_be_sent_again() -> None:
    state = new_state()
    state.quarantined = {0: "why"}
    make_folder(Disk()).fold(state, chunk([record(), record()]))
    assert [message.position for message in unwritten(state)] == [position(1, 1)]


def test_a_rule_that_fails_names_therecord(monkeypatch: pytest.MonkeyPatch) -> None:
    def decide(events: Events, *arguments: Any) -> Any:
        if b"EVIL" in events.sids:
            raise ZeroDivisionError("by the rules")
        return original(events, *arguments)

    original = rules.decide
    monkeypatch.setattr("streams.folding.decide", decide)
    with pytest.raises(PoisonRecordError) as raised:
        make_folder(Disk()).fold(new_state(), chunk([record(), record("EVIL")], first=40))
    assert (raised.value.partition, raised.value.offset) == (2, 41)
    assert str(raised.value) == "partition 2 offset 41: ZeroDivisionError: by the rules"


def test_a_decoder_that_fails_names_therecord(monkeypatch: pytest.MonkeyPatch) -> None:
    def batch(decoder: Decoder, values: Sequence[bytes | None]) -> Any:
        if any(value is not None and b"EVIL" in value for value in values):
            raise ZeroDivisionError("by the decoder")
        return original(decoder, values)

    original = Decoder.batch
    monkeypatch.setattr(Decoder, "batch", batch)
    with pytest.raises(PoisonRecordError) as raised:
        make_folder(Disk()).fold(new_state(), chunk([record(), record("EVIL")], first=40))
    assert str(raised.value) == "partition 2 offset 41: ZeroDivisionError: by the decoder"


_PHONE = {"user_id": None, "phone_number": "+491"}


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize(
    ("key", "fields", "is_good"),
    [
        (b"7", {}, True),
        (b"8", {}, False),
        (None, {}, False),
        (b"", {}, False),
        (b"+491", _PHONE, True),
        (b"+492", _PHONE, False),
        (b"0", _PHONE, False),
        (None, _PHONE, False),
        (b"", _PHONE, False),
    ],
)
def test_keys(
    key: bytes | None, fields: dict[str, Any], is_good: bool, before: int, is_known: bool
) -> None:
    folder, state = make_folder(Disk()), new_state()
    if is_known:  # the user's key is remembered then
        folder.fold(state, chunk([record("first")]))
    first = state.next_offset
    good = [record(f"good {n}") for n in range(before)]
    folder.fold(state, chunk([*good, (key, event("SM", **fields), NOON_MS)], first=first))
    assert ("SM" in _sids(state)) is is_good
    assert [(each.reason, each.offset) for each in state.dead_letters] == (
        [] if is_good else [("invalid_key", first + before)]
    )
