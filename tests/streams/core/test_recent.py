"""Messages in memory: found by their sids, written once, and let go when they are durable."""

from __future__ import annotations

import random

import numpy as np
import pytest

from streams.core.columns import Ints
from streams.core.history import Entry, History
from streams.core.message import MESSAGE
from streams.core.recent import MessageRows, MessageTable
from tests.streams.columns import messages_of, rows_of
from tests.streams.samples import NOON_MS, Message, any_message, message


def _add(table: MessageTable, *messages: Message, is_durable: bool = False) -> Ints:
    rows = rows_of(messages)
    return table.add(rows.sids, rows.messages, is_durable=is_durable)


def _find(table: MessageTable, sid: str) -> Message | None:
    """The message with this sid, by its row."""
    rows = table.find([sid.encode()])
    if rows.tolist() == [-1]:
        return None
    (found,) = messages_of([sid.encode()], table.gather(rows))
    return found


def _set(table: MessageTable, field: str, value: int, *sids: str) -> None:
    """Change a field of messages, which are to be written again."""
    rows = table.find([sid.encode() for sid in sids])
    changed = table.gather(rows)
    changed[field] = value
    table.replace(rows, changed, [History(value, [_entry(value)]) for _ in sids])


def _entry(position: int) -> Entry:
    return Entry(position, 5, None, None, NOON_MS, False)


def _dirty(table: MessageTable) -> list[Message]:
    rows = table.take_dirty()
    return messages_of(rows.sids, rows.messages)


def test_a_message_is_found_by_its_sid() -> None:
    table = MessageTable()
    first, second = message("SM1"), message("é" * 64, user_id=8)
    rows = _add(table, first, second)
    assert len(table) == 2
    assert table.find([b"SM2", b"SM1", "é".encode() * 64, b"", b"SM1"]).tolist() == [
        -1,
        rows[0],
        rows[1],
        -1,
        rows[0],
    ]
    assert (_find(table, "SM1"), _find(table, "é" * 64), _find(table, "SM2")) == (
        first,
        second,
        None,
    )
    assert table.find([]).tolist() == []


def test_every_field_is_kept() -> None:
    seeded = random.Random(1)
    table = MessageTable()
    messages = [any_message(seeded, place) for place in range(2500)]
    some = [_add(table, *messages[start : start + 700]) for start in range(0, 2500, 700)]
    rows = np.concatenate(some)
    gathered = table.gather(rows[::-1])
    assert gathered.dtype == MESSAGE
    sids = [each.sid.encode() for each in messages]
    assert messages_of(sids[::-1], gathered) == messages[::-1]
    assert _dirty(table) == messages


def test_nothing_is_added_and_nothing_gathered() -> None:
    table = MessageTable()
    assert _add(table).tolist() == []
    assert len(table.gather(np.zeros(0, np.int64))) == len(table.take_dirty().sids) == 0
    table.evict(0)
    assert len(table) == 0


def test_what_changed_is_taken_once() -> None:
    table = MessageTable()
    _add(table, message("SM1"), message("SM2"))
    _add(table, message("SM3"), is_durable=True)
    assert [each.sid for each in _dirty(table)] == ["SM1", "SM2"]
    assert _dirty(table) == []
    _set(table, "body_length", 9, "SM2")
    assert _dirty(table) == [message("SM2", body_length=9)]
    assert _dirty(table) == []


def test_a_copy_does_not_change_with_its_message() -> None:
    table = MessageTable()
    rows = _add(table, message("SM1", body_length=1), message("SM2"))
    gathered, copied = table.gather(rows), table.take_dirty()
    table.rows["body_length"] = 5
    table.evict(0)
    _add(table, message("SM3", body_length=7))
    assert gathered["body_length"][0] == copied.messages["body_length"][0] == 1
    assert copied.sids == [b"SM1", b"SM2"]


@pytest.mark.parametrize(
    ("keep", "left"), [(5, 5), (4, 2), (3, 1), (2, 1), (1, 0), (0, 0), (1000, 5)]
)
def test_the_oldest_are_evicted(keep: int, left: int) -> None:
    table = MessageTable()
    sids = [f"SM{n}" for n in range(5)]
    _add(table, *map(message, sids), is_durable=True)
    table.evict(keep)
    assert len(table) == left
    assert [sid for sid in sids if _find(table, sid) is not None] == sids[5 - left :]


def test_what_is_dirty_stays() -> None:
    table = MessageTable()
    _add(table, message("durable 1"), is_durable=True)
    _add(table, message("dirty 1"), message("dirty 2"))
    _add(table, *[message(f"durable {n}") for n in range(2, 12)], is_durable=True)
    table.evict(4)
    stays = ["dirty 1", "dirty 2", "durable 10", "durable 11"]
    assert len(table) == 4
    assert all(_find(table, sid) == message(sid) for sid in stays)
    assert [each.sid for each in _dirty(table)] == ["dirty 1", "dirty 2"]
    table.evict(1)
    assert len(table) == 0


def test_rows_are_used_again_clean() -> None:
    table = MessageTable()
    _add(table, *[message(f"old {n}") for n in range(10)])
    table.take_dirty()
    table.evict(0)
    _add(table, *[message(f"new {n}", user_id=n) for n in range(10)], is_durable=True)
    assert _dirty(table) == []
    assert [_find(table, f"new {n}") for n in range(10)] == [
        message(f"new {n}", user_id=n) for n in range(10)
    ]
    assert _find(table, "old 3") is None


def _loaded(table: MessageTable, histories: dict[int, list[Entry]], *messages: Message) -> None:
    rows = rows_of(messages)
    table.load(MessageRows(rows.sids, rows.messages, histories))


def test_a_loaded_message_replaces_none_that_is_here() -> None:
    table = MessageTable()
    _add(table, message("SM1", body_length=1))
    newer = [message(f"SM{n}", body_length=2, position=n) for n in range(3)]
    _loaded(table, {0: [_entry(9)], 1: [_entry(8)]}, *newer)
    assert len(table) == 3
    assert [_find(table, f"SM{n}") for n in range(3)] == [
        newer[0],
        message("SM1", body_length=1),
        newer[2],
    ]
    rows = table.find([b"SM0", b"SM1", b"SM2"])
    assert table.have_history(rows).tolist() == [True, False, False]
    assert [table.sid(row) for row in rows.tolist()] == [b"SM0", b"SM1", b"SM2"]
    history = table.histories[b"SM0"]
    assert (history.own_position, history.entries) == (0, [_entry(9)])
    assert [each.sid for each in _dirty(table)] == ["SM1"]
    _loaded(table, {})
    assert len(table) == 3


def test_histories_go_with_their_messages() -> None:
    table = MessageTable()
    _loaded(table, {n: [_entry(n)] for n in range(8)}, *[message(f"SM{n}") for n in range(10)])
    assert table.take_dirty().histories == {}
    _set(table, "body_length", 70, "SM7", "SM0", "SM9")
    table.evict(4)  # beside the dirty ones 8 and 9 stay
    sids = [b"SM0", b"SM7", b"SM8", b"SM9"]
    assert table.have_history(table.find(sids)).tolist() == [True, True, False, True]
    assert {sid: each.entries for sid, each in table.histories.items()} == {
        sid: [_entry(70)] for sid in (b"SM0", b"SM7", b"SM9")
    }
    taken = table.take_dirty()
    assert taken.sids == [b"SM0", b"SM7", b"SM9"]
    assert taken.histories == {place: [_entry(70)] for place in range(3)}
    table.histories[b"SM0"].append(_entry(71))
    assert taken.histories[0] == [_entry(70)]  # a copy
    table.evict(0)
    assert table.histories == {}
    rows = table.add(*rows_of([message(f"SM{n}") for n in range(3)])[:2])
    assert not table.have_history(rows).any()
    assert table.take_dirty().histories == {}


@pytest.mark.parametrize("seed", range(5))
def test_a_table_is_its_model(seed: int) -> None:
    seeded = random.Random(seed)
    table = MessageTable()
    held: dict[str, Message] = {}
    dirty: set[str] = set()
    position = 0
    for _ in range(40):
        step = seeded.choice(["add", "add", "load", "change", "take", "evict"])
        if step in ("add", "load"):
            count = seeded.choice([0, 1, 30, 200])
            new = [any_message(seeded, position + n) for n in range(count)]
            position += count
            _add(table, *new, is_durable=step == "load")
            held |= {each.sid: each for each in new}
            dirty |= {each.sid for each in new} if step == "add" else set()
        elif step == "change":
            some = seeded.sample(sorted(held), min(len(held), 20))
            _set(table, "latency_ms", position, *some)
            for sid in some:
                held[sid].latency_ms = position
            dirty |= set(some)
        elif step == "take":
            assert _dirty(table) == [each for sid, each in held.items() if sid in dirty]
            dirty.clear()
        else:
            keep = seeded.choice([0, 10, 200, 5000])
            table.evict(keep)
            if len(held) > keep:
                recent = set(list(held)[len(held) - keep // 2 :])
                held = {s: each for s, each in held.items() if s in recent or s in dirty}
        assert len(table) == len(held)
        rows = table.find([sid.encode() for sid in held])
        assert messages_of([sid.encode() for sid in held], table.gather(rows)) == list(
            held.values()
        )
        assert table.find([b"SM%d" % n for n in range(position)]).tolist().count(-1) == (
            position - len(held)
        )
    assert position > 500
