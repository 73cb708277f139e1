"""Messages and cells through real ClickHouse tables, there and back."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from schemas.native import Block
from schemas.native_answers import blocks
from schemas.rows import (
    CELL_TABLES,
    COST_SOURCES,
    ENCODINGS,
    ORPHANS,
    RATE_ORIGINS,
    SPARSE,
    SUMMED,
    USAGE_LOG,
    USER_DECISIONS,
    USER_TABLES,
    WRITING,
)
from schemas.statuses import STATUSES
from schemas.units import position, source
from streams.core.cells import WIDTH, CellRows, CellTable
from streams.core.history import Entry
from streams.core.orphans import Orphan
from streams.rows import (
    MESSAGE_COLUMNS,
    ORPHAN_COLUMNS,
    cell_block,
    cell_columns,
    cells_of,
    messages_of,
    orphan_block,
    orphan_of,
    usage_block,
)
from tests.streams import columns
from tests.streams.columns import cell_rows, contents, empty_tables, fold_messages, rows_of
from tests.streams.samples import RECENT_MS, Message, any_message
from tests.streams.samples import message as sample


def message(sid: str = "SM1", **fields: Any) -> Message:
    return sample(sid, **{"occurred_ms": RECENT_MS, **fields})


def _any(seed: int, count: int) -> list[Message]:
    seeded = random.Random(seed)
    return [any_message(seeded, position(1, n), RECENT_MS, 40) for n in range(count)]


def _insert(client: Client, table: str, block: Block) -> None:
    client.raw_insert(table, block.names, block.to_bytes(), fmt="Native", settings=WRITING)


def _log(
    client: Client,
    messages: Sequence[Message],
    sources: Sequence[int],
    histories: Mapping[int, Sequence[Entry]] | None = None,
) -> None:
    rows = rows_of(messages)
    block = usage_block(rows.sids, rows.messages, histories or {}, np.array(sources))
    _insert(client, USAGE_LOG, block)


def _blocks(client: Client, query: str) -> list[Any]:
    with client.raw_stream(query, fmt="Native") as stream:
        return list(blocks(stream))


def _messages(client: Client) -> dict[str, Message]:
    found = messages_of(_blocks(client, f"SELECT {MESSAGE_COLUMNS} FROM {USAGE_LOG} FINAL"))
    return {each.sid: each for each in columns.messages_of(found.sids, found.messages)}


_EXTREMES = [
    message("default"),
    message("é" * 64, user_id=0, user_decision="unresolved", error_code=-(2**31)),
    message("zero", occurred_ms=RECENT_MS + 999, processing_us=0, latency_ms=0, body_length=0),
    message(
        "largest",
        user_id=2**53 - 1,
        position=position(32767, 2**48 - 1),
        version=position(32767, 2**48 - 1),
        phone_hash=2**64 - 1,
        error_code=2**31 - 1,
        segments=100,
        non_gsm_characters=65535,
        num_media=10,
        body_length=65535,
        processing_us=86_400_000_000,
        latency_ms=2**62,
        base_micros=10**12 * 100,
        gsm_saved_segments=99,
        trimmed_saved_segments=99,
    ),
    message("none", mcc_mnc="", processing_us=None, latency_ms=None, encoding=None, error_code=0),
    *[message(f"status-{status}", status=status) for status in STATUSES],
    *[message(f"encoding-{encoding}", encoding=encoding) for encoding in ENCODINGS],
    *[message(f"user-{decision}", user_decision=decision) for decision in USER_DECISIONS],
    *[message(f"cost-{cost_source}", cost_source=cost_source) for cost_source in COST_SOURCES],
    *[message(f"rate-{origin}", rate_origin=origin) for origin in RATE_ORIGINS],
    *[
        message(f"{d}-{t}", direction=d, message_type=t)
        for d in ("inbound", "outbound")
        for t in ("sms", "mms")
    ],
]


@pytest.mark.live
def test_a_message_is_its_row(client: Client) -> None:
    messages = [*_EXTREMES, *_any(1, 200)]
    _log(client, messages, [source(1, 2)] * len(messages))
    found = _messages(client)
    assert len(found) == len(messages)
    for expected in messages:
        assert found[expected.sid] == expected


@pytest.mark.live
def test_the_newest_version_of_a_row_counts(client: Client) -> None:
    for version in (5, 9, 7):
        row = message(version=version, body_length=version)
        _log(client, [row], [source(1, 2)])
    assert _messages(client) == {"SM1": message(version=9, body_length=9)}


@pytest.mark.live
def test_a_row_has_its_source_and_no_history(client: Client) -> None:
    sources = [source(0, 7), source(3, 65535)]
    _log(client, [message("SM1"), message("SM2")], sources)
    columns = [row[0] for row in client.query(f"DESCRIBE {USAGE_LOG}").result_rows]
    histories = [name for name in columns if name.startswith("history_")]
    assert len(histories) == 6
    rows = client.query(
        f"SELECT source, {', '.join(histories)} FROM {USAGE_LOG} ORDER BY message_sid"
    ).result_rows
    assert [row[0] for row in rows] == sources
    assert all(history == [] for row in rows for history in row[1:])


_HISTORY = [
    Entry(position(1, 5), 3, None, None, RECENT_MS, False),
    Entry(position(32767, 2**48 - 1), 13, 2**31 - 1, 10**12, RECENT_MS + 999, True),
    Entry(position(1, 6), 8, -(2**31), 0, 0, False),
    Entry(position(1, 7), 6, 0, None, -1, True),
]


@pytest.mark.live
def test_a_history_is_its_arrays(client: Client) -> None:
    messages = [message(f"SM{n}", position=n, version=n) for n in range(6)]
    histories = {4: _HISTORY, 1: _HISTORY[2:], 2: _HISTORY[:1]}
    _log(client, messages, [1] * 6, histories)
    query = f"SELECT {MESSAGE_COLUMNS} FROM {USAGE_LOG} FINAL ORDER BY message_sid"
    found = messages_of(_blocks(client, query))
    assert columns.messages_of(found.sids, found.messages) == messages
    assert found.histories == histories
    assert all(type(entry) is Entry for entries in found.histories.values() for entry in entries)


@pytest.mark.live
def test_an_orphan_is_its_row(client: Client) -> None:
    orphans = [
        Orphan(source(n, n), sid.encode(), entry, RECENT_MS + n, key, value)
        for n, (sid, entry, key, value) in enumerate(
            zip(
                ["SM1", "é" * 64, "SM1", "x"],
                _HISTORY,
                [b"7", b"9007199254740991", b"", b""],
                [b"{}", b'{"x": "\\n\xc3\xa9"}', b"{%s}" % (b" " * 65534), b""],
                strict=True,
            )
        )
    ]
    block = orphan_block(orphans)
    assert set(block.names) == _described(client, ORPHANS)
    _insert(client, ORPHANS, block)
    query = f"SELECT {ORPHAN_COLUMNS} FROM {ORPHANS} FINAL WHERE NOT is_gone ORDER BY source"
    assert [orphan_of(row) for row in client.query(query).result_rows] == orphans
    _insert(client, ORPHANS, orphan_block([orphans[1]._replace(is_gone=True)]))
    left = [orphan_of(row) for row in client.query(query).result_rows]
    assert left == [orphans[0], *orphans[2:]]


def test_no_phone_number_rests_with_an_orphan(client: Client) -> None:
    value = b'{"message_sid":"SM1","phone\\u005fnumber":"+4915112345678","user_id":7}'
    orphan = Orphan(1, b"SM1", _HISTORY[0], RECENT_MS, b"+4915112345678", value)
    _insert(client, ORPHANS, orphan_block([orphan]))
    query = f"SELECT {ORPHAN_COLUMNS} FROM {ORPHANS} FINAL"
    (row,) = map(orphan_of, client.query(query).result_rows)
    assert row == orphan._replace(key=b"", value=b'{"message_sid":"SM1","user_id":7}')


def _fold(messages: Sequence[Message]) -> dict[str, CellTable]:
    tables = empty_tables()
    fold_messages(tables, messages, RECENT_MS)
    return tables


def _taken(table: CellTable) -> CellRows:
    rows = table.take_dirty()
    assert rows is not None
    return rows


def _loaded(client: Client, name: str, of_source: int) -> CellTable:
    table = CellTable({})
    query = f"SELECT {cell_columns(name)} FROM {name} FINAL WHERE source = {of_source}"
    for block in _blocks(client, query):
        table.load(cells_of(block))
    return table


@pytest.mark.live
def test_cells_are_their_rows(client: Client) -> None:
    first, second = _fold(_any(1, 300)), _fold(_any(2, 300))
    for name in CELL_TABLES:
        # All counters differ from 0 and from each other, latency and its histogram too.
        expected = [
            {
                key: cell._replace(
                    counters=[n + more for more, n in enumerate(cell.counters, 1)],
                    sparse=[*cell.sparse[:2], {index: 1, 65535: -index - 1}],
                )
                for index, (key, cell) in enumerate(contents(table).items())
            }
            for table in (first[name], second[name])
        ]
        assert len(expected[0]) > 10
        assert len(expected[0][next(iter(expected[0]))].counters) == WIDTH
        parts = [(source(1, n), cell_rows(cells)) for n, cells in enumerate(expected, 2)]
        _insert(client, name, cell_block(name, parts))
        assert contents(_loaded(client, name, source(1, 2))) == expected[0]
        assert contents(_loaded(client, name, source(1, 3))) == expected[1]
        assert contents(_loaded(client, name, source(1, 4))) == {}


@pytest.mark.live
@pytest.mark.parametrize("name", CELL_TABLES)
def test_equal_cells_are_equal_bytes_whatever_their_grouping(client: Client, name: str) -> None:
    messages = _any(3, 200)
    whole = _fold(messages)[name]
    tables = empty_tables()
    for start in range(0, len(messages), 17):
        fold_messages(tables, messages[start : start + 17], RECENT_MS)
    rows = []
    for table in (whole, tables[name]):
        client.command(f"TRUNCATE TABLE {name}")
        _insert(client, name, cell_block(name, [(1, _taken(table))]))
        rows.append(client.raw_query(f"SELECT * FROM {name} ORDER BY ALL FORMAT Native"))
    assert rows[0] == rows[1]


@pytest.mark.live
@pytest.mark.parametrize("name", SUMMED)
def test_what_is_summed_is_what_clickhouse_computes(client: Client, name: str) -> None:
    messages = [*_EXTREMES, *_any(4, 500)]
    if name == USAGE_LOG:
        _log(client, messages, [source(1, 2)] * len(messages))
    else:
        _insert(client, name, cell_block(name, [(1, _taken(_fold(messages)[name]))]))
    client.command("DROP TABLE IF EXISTS computed")
    client.command(f"CREATE TABLE computed AS {name}")
    client.command(f"INSERT INTO computed SELECT * FROM {name}")
    both = [
        client.query(f"SELECT {', '.join(SUMMED[name])}, * FROM {table} ORDER BY ALL").result_rows
        for table in (name, "computed")
    ]
    client.command("DROP TABLE computed")
    assert both[0] == both[1]
    trimmed = SUMMED[name].index("savings" if name == USAGE_LOG else "statuses")
    sizes = {len(row[trimmed]) for row in both[0]}
    assert len(sizes) > 1, "no array was cut"


def _described(client: Client, name: str) -> set[str]:
    rows = client.query(f"DESCRIBE {name}").named_results()
    return {row["name"] for row in rows}


@pytest.mark.live
@pytest.mark.parametrize("name", CELL_TABLES)
def test_a_block_has_every_column_of_its_table(client: Client, name: str) -> None:
    tables = _fold([message()])
    described = _described(client, name)
    assert set(cell_block(name, [(1, _taken(tables[name]))]).names) == described
    assert ("user_id" in described) is (name in USER_TABLES)
    assert {column for keys, counts, _ in SPARSE for column in (keys, counts)} <= described


@pytest.mark.live
def test_a_usage_block_has_every_column_of_its_table(client: Client) -> None:
    described = _described(client, USAGE_LOG)
    rows = rows_of([message()])
    assert set(usage_block(rows.sids, rows.messages, {}, np.array([1])).names) == described


@pytest.mark.live
def test_an_orphan_block_has_every_column_of_its_table(client: Client) -> None:
    described = {row[0] for row in client.query(f"DESCRIBE {ORPHANS}").result_rows}
    assert set(orphan_block([]).names) == described
