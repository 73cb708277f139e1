"""Reconciling finds every kind of tampering by name, and nothing where there is none."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from schemas.histogram import MAX_VALUE
from schemas.rows import (
    CELL_KEYS,
    CELL_TABLES,
    COUNTERS,
    MAXIMA,
    SPARSE,
    SYSTEM_1D,
    SYSTEM_15M,
    USAGE_LOG,
    USER_1D,
    USER_15M,
)
from schemas.settings import Settings
from streams.clickhouse import connect
from streams.reconcile import Difference, differences, main, spans
from streams.sink import Sink
from streams.working_set import WorkingSet
from tests.streams.columns import fold_messages, rows_of
from tests.streams.samples import RECENT_MS, Message, any_message, message

pytestmark = pytest.mark.live

_NOW_S = RECENT_MS // 1000


class Worker:
    """Folds messages into a partition and flushes them, as a worker does."""

    def __init__(self, url: str, partition: int = 0) -> None:
        unused: Any = None
        self._sink = Sink(lambda: connect(url, 30), unused, "id", 8)
        self._state = WorkingSet(1, partition, 0, 0)

    def write(self, messages: Sequence[Message]) -> None:
        state = self._state
        fold_messages(state.tables, messages, RECENT_MS)
        rows = rows_of(messages)
        state.messages.add(rows.sids, rows.messages)
        state.folded(state.next_offset + len(messages), RECENT_MS)
        snapshot = state.snapshot()
        self._sink.flush([snapshot], threading.Event())
        state.acknowledge(snapshot, 10**6, 10**6)

    def some(self, seeded: random.Random, count: int, **fields: Any) -> list[Message]:
        """Messages for the next places of the log, none of them with a latency."""
        first = self._state.next_offset
        places = range(self._state.position(first), self._state.position(first + count))
        return [
            any_message(seeded, place, RECENT_MS, 40, **{"sid": self._sid(place), **fields})
            for place in places
        ]

    def _sid(self, place: int) -> str:
        return f"SM{self._state.partition}-{place}"


@pytest.fixture
def written(clickhouse_database: str) -> None:
    """Two partitions with 300 messages each in ClickHouse."""
    seeded = random.Random(1)
    for partition in (0, 1):
        worker = Worker(clickhouse_database, partition)
        for _ in range(3):
            worker.write(worker.some(seeded, 100))


def _found(client: Client) -> list[Difference]:
    return list(differences(client, _NOW_S))


@pytest.mark.usefixtures("written")
def test_rollups_equal_the_log(client: Client) -> None:
    assert _found(client) == []


def test_nothing_equals_nothing(client: Client) -> None:
    assert _found(client) == []


def test_bins_are_computed_as_they_were_folded(client: Client, clickhouse_database: str) -> None:
    edges = [(1 << power) + near for power in range(37) for near in (-1, 0, 1)]
    seeded = random.Random(2)
    times = [*edges, MAX_VALUE, *(seeded.randrange(MAX_VALUE) for _ in range(2000))]
    worker = Worker(clickhouse_database)
    messages = worker.some(seeded, len(times))
    for each, processing_us in zip(messages, times, strict=True):
        each.processing_us = min(processing_us, MAX_VALUE)
    worker.write(messages)
    assert _found(client) == []


def _replace(client: Client, table: str, changes: str, where: str = "1") -> list[str]:
    """Write one cell anew, changed, as the newest version; returns its key."""
    key = [column for column in CELL_KEYS[table] if column != "source"]
    order = f"ORDER BY {', '.join(key)}, source LIMIT 1"
    chosen = client.query(
        f"SELECT {', '.join(f'toString({c})' for c in key)}"
        f" FROM {table} FINAL WHERE {where} {order}"
    ).result_rows
    client.command(
        f"INSERT INTO {table} SELECT * REPLACE ({changes}, version + 1 AS version)"
        f" FROM {table} FINAL WHERE {where} {order}"
    )
    return [str(part) for part in chosen[0]]


@pytest.mark.usefixtures("written")
def test_every_counter_of_every_table_is_compared(client: Client) -> None:
    # All counters at once, a different surplus each; the bins and codes are left as they are.
    changes = ", ".join(f"{name} + {n} AS {name}" for n, name in enumerate(COUNTERS, 1000))
    keys = {table: " ".join(_replace(client, table, changes)) for table in CELL_TABLES}
    found = _found(client)
    assert {(each.table, each.key) for each in found} == set(keys.items())
    for table in CELL_TABLES:
        surplus = {
            each.counter: each.rollup - each.usage_log for each in found if each.table == table
        }
        # A maximum that another source's exceeds changes nothing that is ever answered.
        assert set(surplus) | set(MAXIMA) == set(COUNTERS)
        for n, name in enumerate(COUNTERS, 1000):
            assert name in MAXIMA or surplus[name] == n


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(
    ("table", "column", "by"),
    [
        (USER_15M, "messages", 1),
        (USER_1D, "base_micros", -1),
        (SYSTEM_15M, "processing_max_us", 1),
        (SYSTEM_1D, "latency_max_ms", 7),
    ],
)
def test_one_counter(client: Client, table: str, column: str, by: int) -> None:
    key = _replace(client, table, f"{column} + {by} AS {column}", f"{column} > 0 OR {by} = 7")
    (found,) = _found(client)
    assert found[:3] == (table, " ".join(key), column)
    assert abs(found.rollup - found.usage_log) == abs(by)


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(
    ("keys", "counts"), [(keys, counts) for keys, counts, _ in SPARSE if "latency" not in keys]
)
def test_histograms(client: Client, keys: str, counts: str) -> None:
    changed = f"arrayMap((n, i) -> n + (i = 1), {counts}, arrayEnumerate({counts})) AS {counts}"
    key = _replace(client, USER_15M, changed, f"notEmpty({counts})")
    (found,) = _found(client)
    assert found[:2] == (USER_15M, " ".join(key))
    assert found.counter.startswith(f"{counts} of {keys} ")
    assert (found.rollup, found.usage_log) == (1, 0)


@pytest.mark.usefixtures("written")
def test_an_entry_that_the_log_does_not_have(client: Client) -> None:
    entry = "arrayPushBack(latency_bins, 9) AS latency_bins, [2] AS latency_counts"
    _replace(client, SYSTEM_1D, entry)
    (found,) = _found(client)
    assert found.counter == "latency_counts of latency_bins 9, surplus"
    assert found.rollup == 2


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("table", CELL_TABLES)
def test_a_missing_cell(client: Client, table: str) -> None:
    _replace(client, table, "messages AS messages")
    chosen = client.query(
        f"SELECT bucket, direction, source FROM {table} FINAL ORDER BY messages DESC LIMIT 1"
    ).result_rows[0]
    parameters = dict(zip(("bucket", "direction", "source"), chosen, strict=True))
    client.command(
        f"ALTER TABLE {table} DELETE WHERE bucket = {{bucket:DateTime('UTC')}}"
        " AND direction = {direction:String} AND source = {source:UInt32}"
        " SETTINGS mutations_sync = 2",
        parameters=parameters,
    )
    found = [each for each in _found(client) if each.counter == "messages"]
    assert found
    assert {each.table for each in found} == {table}
    assert all(each.rollup < each.usage_log for each in found)


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("table", CELL_TABLES)
def test_an_extra_cell(client: Client, table: str) -> None:
    key = _replace(client, table, "bucket + INTERVAL 10 DAY AS bucket")
    place = CELL_KEYS[table].index("bucket")
    key[place] = str(datetime.fromisoformat(key[place]) + timedelta(days=10))
    found = _found(client)
    assert {(each.table, each.key) for each in found} == {(table, " ".join(key))}
    assert {each.usage_log for each in found} == {0}
    assert "messages" in {each.counter for each in found}


@pytest.mark.usefixtures("written")
def test_a_missing_message(client: Client) -> None:
    client.command(
        f"ALTER TABLE {USAGE_LOG} DELETE WHERE message_sid IN (SELECT max(message_sid)"
        f" FROM {USAGE_LOG} WHERE user_id != 0) SETTINGS mutations_sync = 2"
    )
    found = [each for each in _found(client) if each.counter == "messages"]
    assert {each.table for each in found} == set(CELL_TABLES)
    assert {each.rollup - each.usage_log for each in found} == {1}


def test_minutes_that_are_no_longer_kept_are_not_missed(
    client: Client, clickhouse_database: str
) -> None:
    worker = Worker(clickhouse_database)
    worker.write(
        [
            message("old", occurred_ms=RECENT_MS - 50 * 3_600_000, position=1 << 48),
            message("new", occurred_ms=RECENT_MS - 46 * 3_600_000, position=(1 << 48) + 1),
        ]
    )
    assert _found(client) == []


def test_a_day_expires_before_its_messages_do(client: Client, clickhouse_database: str) -> None:
    # The older one's day began more than 400 days ago, so its cell is gone and its row is not.
    now_ms, day_ms = time.time_ns() // 1_000_000, 86_400_000
    older, newer = now_ms - 400 * day_ms + 3_600_000, now_ms - 398 * day_ms
    worker = Worker(clickhouse_database)
    worker.write(
        [
            message("older", occurred_ms=older, position=1 << 48),
            message("newer", occurred_ms=newer, position=(1 << 48) + 1),
            message("newest", occurred_ms=now_ms, position=(1 << 48) + 2),
        ]
    )
    assert _found(client) == []
    key = _replace(
        client,
        SYSTEM_15M,
        "segments + 1 AS segments",
        f"bucket > now() - {399 * 86_400} AND bucket < now() - 86400",
    )
    assert [each[:3] for each in _found(client)] == [(SYSTEM_15M, " ".join(key), "segments")]


@pytest.fixture
def busy(clickhouse_database: str) -> Iterator[list[int]]:
    """A worker that writes all the time, for a user of its own; counts its flushes."""
    stop, flushes, seeded = threading.Event(), [0], random.Random(3)
    worker = Worker(clickhouse_database, partition=2)

    def work() -> None:
        while not stop.is_set():
            worker.write(worker.some(seeded, 50, user_id=5))
            flushes[0] += 1
            stop.wait(0.1)

    thread = threading.Thread(target=work)
    thread.start()
    yield flushes
    stop.set()
    thread.join()


@pytest.mark.usefixtures("written")
def test_while_a_worker_writes_nothing_but_tampering_is_found(
    client: Client, busy: list[int]
) -> None:
    deadline = time.monotonic() + 30
    while busy[0] < 8:
        assert time.monotonic() < deadline
        assert _found(client) == []
    key = _replace(client, USER_1D, "messages + 1000 AS messages", "user_id != 5")
    (found,) = _found(client)
    assert found[:3] == (USER_1D, " ".join(key), "messages")


@pytest.mark.usefixtures("written")
def test_the_command_when_all_is_equal(
    clickhouse_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(Settings(clickhouse_url=clickhouse_database)) == 0
    assert capsys.readouterr().out == ("Rollups equal the usage log: 600 messages of 4 users.\n")


@pytest.mark.usefixtures("written")
def test_the_command_when_something_differs(
    client: Client, clickhouse_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    key = _replace(client, USER_1D, "segments + 5 AS segments")
    assert main(Settings(clickhouse_url=clickhouse_database)) == 1
    first, head, row, *rest = capsys.readouterr().out.splitlines()
    assert first == "1 counters differ from the usage log:"
    assert head.split() == ["table", "key", "counter", "rollup", "usage_log"]
    assert row.startswith(f"{USER_1D}  {' '.join(key)}  segments ")
    assert not rest


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        ([5], [(1, 1)]),
        ([50], [(1, 1)]),
        ([5, 5], [(1, 2)]),
        ([5, 6], [(1, 1), (2, 2)]),
        ([1, 2, 3, 4, 5, 6, 50, 1], [(1, 4), (5, 5), (6, 6), (7, 7), (8, 8)]),
    ],
)
def test_months_are_compared_together_while_they_are_small(
    rows: list[int], expected: list[tuple[int, int]]
) -> None:
    assert list(spans(enumerate(rows, 1), 10)) == expected
