"""Messages and cells through real ClickHouse tables, there and back."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from schemas.rows import (
    CELL_TABLES,
    COST_SOURCES,
    ENCODINGS,
    SPARSE,
    USAGE_LOG,
    USER_DECISIONS,
    USER_TABLES,
)
from schemas.statuses import STATUSES
from schemas.units import position, source
from streams.core.cells import WIDTH, CellTable
from streams.core.fold import batch_of, fold, group
from streams.core.message import Message
from streams.native import Block
from streams.rows import (
    MESSAGE_COLUMNS,
    CellRows,
    cell_block,
    cell_columns,
    copy_dirty,
    load_cell,
    message_of,
    usage_block,
)
from tests.streams.samples import RECENT_MS, any_message
from tests.streams.samples import message as sample


def message(sid: str = "SM1", **fields: Any) -> Message:
    return sample(sid, **{"occurred_ms": RECENT_MS, **fields})


def _any(seed: int, count: int) -> list[Message]:
    seeded = random.Random(seed)
    return [any_message(seeded, position(1, n), RECENT_MS, 40) for n in range(count)]


def _insert(client: Client, table: str, block: Block) -> None:
    client.raw_insert(table, block.names, block.to_bytes(), fmt="Native")


def _messages(client: Client) -> dict[str, Message]:
    rows = client.query(f"SELECT {MESSAGE_COLUMNS} FROM {USAGE_LOG} FINAL").result_rows
    return {row[0]: message_of(row) for row in rows}


_EXTREMES = [
    message("default"),
    message("é" * 64, user_id=0, user_decision="unresolved", error_code=-(2**31)),
    message("zero", occurred_ms=RECENT_MS + 999, processing_us=0, latency_ms=0, body_length=0),
    message(
        "largest",
        user_id=2**53 - 1,
        position=position(65535, 2**48 - 1),
        version=position(65535, 2**48 - 1),
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
    *[
        message(f"{d}-{t}", direction=d, message_type=t)
        for d in ("inbound", "outbound")
        for t in ("sms", "mms")
    ],
]


@pytest.mark.live
def test_a_message_is_its_row(client: Client) -> None:
    messages = [*_EXTREMES, *_any(1, 200)]
    _insert(client, USAGE_LOG, usage_block(messages, [source(1, 2)] * len(messages)))
    found = _messages(client)
    assert len(found) == len(messages)
    for expected in messages:
        assert found[expected.sid] == expected


@pytest.mark.live
def test_the_newest_version_of_a_row_counts(client: Client) -> None:
    for version in (5, 9, 7):
        row = message(version=version, body_length=version)
        _insert(client, USAGE_LOG, usage_block([row], [source(1, 2)]))
    assert _messages(client) == {"SM1": message(version=9, body_length=9)}


@pytest.mark.live
def test_a_row_has_its_source_and_no_history(client: Client) -> None:
    sources = [source(0, 7), source(3, 65535)]
    _insert(client, USAGE_LOG, usage_block([message("SM1"), message("SM2")], sources))
    columns = [row[0] for row in client.query(f"DESCRIBE {USAGE_LOG}").result_rows]
    histories = [name for name in columns if name.startswith("history_")]
    assert len(histories) == 6
    rows = client.query(
        f"SELECT source, {', '.join(histories)} FROM {USAGE_LOG} ORDER BY message_sid"
    ).result_rows
    assert [row[0] for row in rows] == sources
    assert all(history == [] for row in rows for history in row[1:])


def _fold(messages: Sequence[Message]) -> dict[str, CellTable]:
    tables = {name: CellTable({}, 0) for name in CELL_TABLES}
    batch = batch_of(messages, [RECENT_MS] * len(messages))
    fold(tables, group(batch), batch)
    return tables


def _contents(table: CellTable) -> dict[Any, Any]:
    return {
        key: (
            table.counters[row].tolist(),
            [dict(histograms[row] or {}) for histograms in table.sparse],
            int(table.last[row]),
        )
        for key, row in table.rows.items()
    }


def _loaded(client: Client, name: str, of_source: int) -> CellTable:
    table = CellTable({}, 0)
    query = f"SELECT {cell_columns(name)} FROM {name} FINAL WHERE source = {of_source}"
    for row in client.query(query).result_rows:
        load_cell(table, row)
    return table


@pytest.mark.live
def test_cells_are_their_rows(client: Client) -> None:
    first, second = _fold(_any(1, 300)), _fold(_any(2, 300))
    for name in CELL_TABLES:
        # All counters differ from 0 and from each other, latency and its histogram too.
        for table in (first[name], second[name]):
            for row in table.rows.values():
                table.counters[row] += range(1, WIDTH + 1)
                table.sparse[2][row] = {row: 1, 65535: -row}
        expected = [_contents(table) for table in (first[name], second[name])]
        assert len(expected[0]) > 10
        parts = [copy_dirty(first[name], source(1, 2)), copy_dirty(second[name], source(1, 3))]
        _insert(client, name, cell_block(name, parts))
        assert _contents(_loaded(client, name, source(1, 2))) == expected[0]
        assert _contents(_loaded(client, name, source(1, 3))) == expected[1]


@pytest.mark.live
@pytest.mark.parametrize("name", CELL_TABLES)
def test_equal_cells_are_equal_bytes_whatever_their_grouping(client: Client, name: str) -> None:
    messages = _any(3, 200)
    whole = _fold(messages)[name]
    tables = {name: CellTable({}, 0) for name in CELL_TABLES}
    for start in range(0, len(messages), 17):
        part = messages[start : start + 17]
        batch = batch_of(part, [RECENT_MS] * len(part))
        fold(tables, group(batch), batch)
    rows = []
    for table in (whole, tables[name]):
        client.command(f"TRUNCATE TABLE {name}")
        _insert(client, name, cell_block(name, [copy_dirty(table, 1)]))
        rows.append(client.raw_query(f"SELECT * FROM {name} ORDER BY ALL FORMAT Native"))
    assert rows[0] == rows[1]


def _copied() -> tuple[CellTable, CellRows]:
    table = _fold([message(error_code=5)])[CELL_TABLES[0]]
    return table, copy_dirty(table, 9)


def test_copying_takes_the_dirty_cells_and_marks_them_clean() -> None:
    table, rows = _copied()
    assert rows.source == 9
    assert rows.keys == list(table.rows)
    assert not table.dirty
    assert copy_dirty(table, 9).keys == []


def test_a_copy_does_not_change_with_its_cell() -> None:
    table, rows = _copied()
    row = table.row(rows.keys[0])
    table.counters[row] += 5
    table.last[row] += 5
    table.count(0, [(row, 5)])
    assert rows.counters[0, 0] == 1
    assert rows.last.tolist() == [0]
    assert rows.sparse[0].counts.tolist() == [1]


@pytest.mark.live
@pytest.mark.parametrize("name", CELL_TABLES)
def test_a_block_has_every_column_of_its_table(client: Client, name: str) -> None:
    tables = _fold([message()])
    columns = {row[0] for row in client.query(f"DESCRIBE {name}").result_rows}
    assert set(cell_block(name, [copy_dirty(tables[name], 1)]).names) == columns
    assert ("user_id" in columns) is (name in USER_TABLES)
    assert {column for keys, counts, _ in SPARSE for column in (keys, counts)} <= columns


@pytest.mark.live
def test_a_usage_block_has_every_column_of_its_table(client: Client) -> None:
    columns = {row[0] for row in client.query(f"DESCRIBE {USAGE_LOG}").result_rows}
    assert set(usage_block([message()], [1]).names) == columns
