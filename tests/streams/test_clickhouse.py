"""What the worker reads back: progress, messages by sid, and exactly the cold cells asked for."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.binding import bind_query
from clickhouse_connect.driver.client import Client

from schemas.rows import CELL_TABLES, SYSTEM_1D, SYSTEM_15M, USER_15M, USER_TABLES
from schemas.units import position, source
from streams.clickhouse import Deaths, Progress, Store
from streams.core.cells import WIDTH, CellTable, combination
from streams.core.history import Entry
from streams.core.orphans import Orphan
from streams.core.recent import MessageRows
from streams.rows import orphan_block
from tests.streams.columns import (
    Cell,
    Key,
    contents,
    empty_tables,
    keys_of,
    messages_of,
)
from tests.streams.samples import RECENT_MS, Message, message
from tests.streams.written import any_messages, in_buckets, message_at, write_cells, write_log

BUCKET_S = 900
_FAR_S = 2**40
_RECENT_S = RECENT_MS // 1000
# The largest value of one query parameter that a ClickHouse server takes by default
# (http_max_field_value_size); large ones are sent as a form, where their bytes count as they are.
_MAX_PARAMETER_BYTES = 128 * 1024
_AS_OF = datetime(2026, 3, 1, 12, 0, 0, 123000, UTC)


def _progress(client: Client, of_source: int, next_offset: int, topic_id: str = "id") -> None:
    as_of = _AS_OF + timedelta(seconds=next_offset % 1000)
    client.insert(
        "source_progress",
        [[of_source, next_offset, next_offset + 5, as_of, topic_id, 8]],
        column_names=["source", "next_offset", "end_offset", "as_of", "topic_id", "partitions"],
    )


@pytest.mark.live
def test_the_epoch_is_the_newest_that_has_progress(client: Client, store: Store) -> None:
    assert store.epoch() == 0
    _progress(client, source(0, 65535), 9)
    assert store.epoch() == 0
    _progress(client, source(3, 0), 1)
    _progress(client, source(2, 7), 1)
    assert store.epoch() == 3


@pytest.mark.live
def test_progress_is_the_furthest_of_each_source(client: Client, store: Store) -> None:
    furthest = 2**48 - 1
    for next_offset in (5, furthest, 7):
        _progress(client, source(1, 2), next_offset)
    _progress(client, source(1, 3), 0, topic_id="other")
    _progress(client, source(1, 4), 4)
    as_of_ms = 1_772_366_400_123
    assert store.progress([source(1, 2), source(1, 3), source(0, 9)]) == {
        source(1, 2): Progress(furthest, as_of_ms + furthest % 1000 * 1000, "id", 8),
        source(1, 3): Progress(0, as_of_ms, "other", 8),
    }
    assert store.progress([]) == {}


@pytest.mark.live
def test_quarantined_offsets_are_of_their_source(client: Client, store: Store) -> None:
    rows = [
        [source(1, 2), 5, "ann", "first"],
        [source(1, 2), 2**48 - 1, "ann", "second"],
        [source(1, 3), 6, "ann", "of another"],
    ]
    client.insert("quarantine", rows, column_names=["source", "offset", "requested_by", "reason"])
    assert store.quarantined(source(1, 2)) == {5: "first", 2**48 - 1: "second"}
    assert store.quarantined(source(0, 2)) == {}


@pytest.mark.live
def test_the_newest_note_of_deaths_counts(store: Store) -> None:
    assert store.deaths(7) is None
    for note in (Deaths(5, 0, ""), Deaths(9, 3, "why"), Deaths(2, 1, "é")):
        store.note_deaths(7, note)
        assert store.deaths(7) == note
    assert store.deaths(8) is None


def _known(store: Store, of_source: int, sids: Sequence[str]) -> set[str]:
    """Those of the sids whose messages the store finds."""
    found = store.messages(of_source, [sid.encode() for sid in sids])
    assert len(found.sids) == len(set(found.sids)) == len(found.messages)
    return {sid.decode() for sid in found.sids}


def _messages(found: MessageRows) -> list[Message]:
    messages = messages_of(found.sids, found.messages)
    return sorted(messages, key=lambda each: each.sid)


@pytest.mark.live
def test_sids_are_of_the_source_and_of_earlier_epochs(client: Client, store: Store) -> None:
    write_log(client, [message_at(2, offset, f"own{offset}") for offset in range(3)], source(2, 1))
    write_log(client, [message_at(2, 9, "other partition")], source(2, 0))
    write_log(client, [message_at(1, 2**48 - 1, "earlier")], source(1, 0))
    write_log(client, [message_at(3, 0, "later")], source(3, 1))

    known = ["own0", "own1", "own2", "earlier"]
    everything = ["own0", "own1", "own2", "earlier", "other partition", "later"]
    asked = [*everything, "unknown"]
    assert _known(store, source(2, 1), asked) == set(known)
    assert _known(store, source(3, 1), asked) == set(everything)
    assert _known(store, source(1, 5), asked) == set()
    assert _known(store, source(2, 1), []) == set()
    assert _messages(store.messages(source(2, 1), [b"own1"])) == [message_at(2, 1, "own1")]


_ENTRY = Entry(position(1, 7), 6, -5, 10**12, RECENT_MS, True)


@pytest.mark.live
def test_histories_come_with_their_messages(client: Client, store: Store) -> None:
    messages = [message_at(1, offset, f"SM{offset}") for offset in range(3)]
    histories = {1: [_ENTRY._replace(position=position(1, 1)), _ENTRY]}
    write_log(client, messages, source(1, 0), histories)
    found = store.messages(source(1, 0), [b"SM2", b"SM1"])
    assert {found.sids[place]: kept for place, kept in found.histories.items()} == {
        b"SM1": histories[1]
    }


@pytest.mark.live
def test_orphans_are_of_the_source_and_of_earlier_epochs(client: Client, store: Store) -> None:
    def at(epoch: int, partition: int, offset: int) -> Orphan:
        entry = _ENTRY._replace(position=position(epoch, offset))
        return Orphan(source(epoch, partition), b"SM", entry, RECENT_MS, b"7", b"{}")

    own, other, earlier, later = (
        at(2, 1, 5),
        at(2, 0, 6),
        at(1, 0, 2**48 - 1),
        at(3, 1, 0),
    )
    gone = at(2, 1, 4)
    block = orphan_block([gone, own, other, earlier, later, gone._replace(is_gone=True), gone])
    client.raw_insert("orphan_status", block.names, block.to_bytes(), fmt="Native")
    assert store.orphans(source(2, 1)) == [earlier, own]
    assert store.orphans(source(3, 0)) == [earlier, own, other]
    assert store.orphans(source(1, 1)) == []


@pytest.mark.live
def test_many_sids_are_asked_for_in_parts(client: Client, store: Store) -> None:
    sids = [f"SM{n:032x}" for n in range(45_000)]
    known = [sids[0], sids[19_999], sids[20_000], sids[-1]]
    write_log(client, [message_at(1, n, sid) for n, sid in enumerate(known)], source(1, 0))
    assert _known(store, source(1, 0), sids) == set(known)


@pytest.mark.live
def test_sids_of_any_characters_are_found(client: Client, store: Store) -> None:
    sids = [
        *(
            "'",
            "\\",
            "\\'",
            "a'b\\c",
            "\n",
            "\t",
            "\r",
            "\x00",
            '"',
            "`",
            "%",
            "%27",
            "{sid:String}",
            " ",
        ),
        *("é", "\U0001f600" * 64, "\\N", "\\n", "NULL", "]", ",", "--", "/*", "a, b", "['a']"),
    ]
    write_log(client, [message_at(1, n, sid) for n, sid in enumerate(sids)], source(1, 0))
    assert _known(store, source(1, 0), [*sids, "other"]) == set(sids)
    for sid in sids:
        assert _known(store, source(1, 0), [sid]) == {sid}


def _cold_tables() -> dict[str, CellTable]:
    return {name: CellTable({}, _FAR_S) for name in CELL_TABLES}


@pytest.mark.live
def test_exactly_the_cold_cells_asked_for_are_loaded(client: Client, store: Store) -> None:
    written = write_cells(client, any_messages(3, 300), source(1, 0))
    write_cells(client, any_messages(4, 300), source(1, 1))
    seeded = random.Random(5)
    tables = _cold_tables()
    keys: dict[str, list[Key]] = {}
    for name in CELL_TABLES[:-1]:
        there = list(contents(written[name]))
        wanted = seeded.sample(there, len(there) // 3)
        user, bucket_s, code = wanted[0]
        keys[name] = [*wanted, *wanted[:5], (user, bucket_s + 86_400, code)]  # twice; not there
    store.load_cold(tables, {name: keys_of(some) for name, some in keys.items()}, source(1, 0))
    for name in CELL_TABLES:
        everything = contents(written[name])
        expected = {key: everything[key] for key in keys.get(name, ()) if key in everything}
        assert contents(tables[name]) == expected
        assert tables[name].take_dirty() is None


@pytest.mark.live
def test_a_cold_cell_does_not_replace_a_hot_one(client: Client, store: Store) -> None:
    written = write_cells(client, in_buckets(1), source(1, 0))
    tables = empty_tables()
    (key,) = contents(written[USER_15M])
    tables[USER_15M].rows_of(keys_of([key]))
    store.load_cold(tables, {USER_15M: keys_of([key])}, source(1, 0))
    assert contents(tables[USER_15M]) == {key: Cell(-1, [0] * WIDTH, [{}, {}, {}])}


@pytest.mark.live
def test_thousands_of_cold_cells(client: Client, store: Store) -> None:
    messages = [
        message(f"SM{n}", user_id=n + 1, position=position(1, n), occurred_ms=RECENT_MS)
        for n in range(6_000)
    ]
    written = write_cells(client, messages, source(1, 0))
    tables = _cold_tables()
    keys = {name: keys_of(contents(written[name])) for name in (USER_15M, SYSTEM_1D)}
    store.load_cold(tables, keys, source(1, 0))
    assert contents(tables[USER_15M]) == contents(written[USER_15M])
    assert contents(tables[SYSTEM_1D]) == contents(written[SYSTEM_1D])
    assert len(tables[SYSTEM_15M]) == 0


class _Recorder:
    """A client whose every query finds nothing; it remembers how long the parameters were."""

    def __init__(self) -> None:
        self.longest = 0

    def raw_stream(self, query: str, parameters: dict[str, Any], fmt: str) -> io.BytesIO:
        _, bound = bind_query(query, parameters)
        self.longest = max(self.longest, *(len(str(value).encode()) for value in bound.values()))
        return io.BytesIO()


@pytest.mark.parametrize(
    "sid",
    ["SM" + "0" * 27, "x" * 59, "'" * 59, "\\'" * 29, "\U0001f600" * 59],
    ids=["usual", "long", "quotes", "escapes", "wide"],
)
def test_a_server_takes_the_longest_list_of_sids(sid: str) -> None:
    client: Any = _Recorder()
    Store(client).messages(source(1, 0), [f"{sid}{n:05d}".encode() for n in range(20_000)])
    assert 0 < client.longest <= _MAX_PARAMETER_BYTES


@pytest.mark.parametrize("name", USER_TABLES)
def test_a_server_takes_the_longest_list_of_cells(name: str) -> None:
    client: Any = _Recorder()
    keys = keys_of((2**53 - 1 - n, _RECENT_S, combination(2, 2, 1)) for n in range(5_000))
    Store(client).load_cold(empty_tables(), {name: keys}, source(1, 0))
    assert 0 < client.longest <= _MAX_PARAMETER_BYTES
