"""Where a partition begins, what it begins with, and the logs that it refuses to go on with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from schemas.rows import ORPHANS, USAGE_LOG, WRITING
from schemas.topics import USAGE
from streams.clickhouse import Deaths, Store
from streams.core.cells import CellTable
from streams.core.history import Entry
from streams.core.orphans import Orphan
from streams.core.seen import SidFilter, hashes_of
from streams.errors import WorkerStoppedError
from streams.loading import Loader
from streams.reader import Log, Reader
from streams.rows import cell_block, orphan_block, usage_block
from streams.settings import WorkerSettings
from tests.streams.columns import contents, empty_tables, fold_messages, messages_of, rows_of
from tests.streams.conftest import create_topics, delete_topics
from tests.streams.records import send
from tests.streams.samples import RECENT_MS, Message, message

pytestmark = pytest.mark.live

_GROUP = "loading"
_AS_OF = datetime(2026, 3, 1, 12, 0, 0, 123000, UTC)
_AS_OF_MS = 1_772_366_400_123
# Source 0 is partition 0 of epoch 0: positions are offsets, sources are partitions.


class Worker:
    """A loader with what it loads from and into."""

    def __init__(self, broker: str, store: Store) -> None:
        self.reader = Reader(broker, _GROUP)
        self.sids = SidFilter(1)
        settings = WorkerSettings(max_hot_cells=1000)
        self.loader = Loader(store, Log(broker), self.reader, self.sids, settings)


@pytest.fixture
def worker(broker: str, store: Store) -> Iterator[Callable[[], Worker]]:
    """Makes workers, each knowing nothing of the ones before."""
    workers: list[Worker] = []

    def make() -> Worker:
        workers.append(Worker(broker, store))
        return workers[-1]

    yield make
    for each in workers:
        each.reader.close()


@pytest.fixture(autouse=True)
def _log_of_six_records(broker: str) -> None:
    send(broker, [(b"7", b"{}")] * 6)


def _commit(broker: str, offset: int) -> None:
    consumer = Consumer({"bootstrap.servers": broker, "group.id": _GROUP})
    consumer.commit(offsets=[TopicPartition(USAGE, 0, offset)], asynchronous=False)
    consumer.close()


def _progress(client: Client, broker: str, next_offset: int, **other: Any) -> None:
    topic_id, partitions = Log(broker).describe()
    row = {
        "source": 0,
        "next_offset": next_offset,
        "end_offset": next_offset,
        "as_of": _AS_OF,
        "topic_id": topic_id,
        "partitions": partitions,
        **other,
    }
    client.insert("source_progress", [list(row.values())], column_names=list(row))


def _delete_before(broker: str, offset: int) -> None:
    admin = AdminClient({"bootstrap.servers": broker})
    for done in admin.delete_records([TopicPartition(USAGE, 0, offset)]).values():
        done.result(10)


def _write(client: Client, messages: list[Message]) -> dict[str, CellTable]:
    """A usage log and cells as an earlier worker wrote them."""
    tables = empty_tables()
    fold_messages(tables, messages, RECENT_MS)
    rows = rows_of(messages)
    blocks = {
        USAGE_LOG: usage_block(rows.sids, rows.messages, {}, np.zeros(len(messages), np.int64))
    }
    for name, table in tables.items():
        cells = table.take_dirty()
        assert cells is not None
        blocks[name] = cell_block(name, [(0, cells)])
    for name, block in blocks.items():
        client.raw_insert(name, block.names, block.to_bytes(), fmt="Native", settings=WRITING)
    return tables


def _at(*offsets: int) -> list[Message]:
    return [
        message(f"SM{n}", position=n, version=n, occurred_ms=RECENT_MS, user_id=n + 1)
        for n in offsets
    ]


def test_a_new_source_begins_where_the_log_does(broker: str, worker: Callable[[], Worker]) -> None:
    first, second = worker().loader.load([0, 1])
    assert (first.partition, first.next_offset, first.end_offset, first.as_of_ms) == (0, 0, 6, 0)
    assert (second.partition, second.next_offset, second.end_offset) == (1, 0, 0)
    assert (first.source, second.source) == (0, 1)
    _delete_before(broker, 4)
    (later,) = worker().loader.load([0])
    assert (later.next_offset, later.durable_offset) == (4, 4)


@pytest.mark.parametrize(
    ("committed", "durable", "start"), [(None, 3, 3), (2, 5, 2), (5, 3, 3), (6, 6, 6), (4, None, 0)]
)
def test_the_smaller_of_committed_and_durable(
    broker: str,
    client: Client,
    worker: Callable[[], Worker],
    committed: int | None,
    durable: int | None,
    start: int,
) -> None:
    if committed is not None:
        _commit(broker, committed)
    if durable is not None:
        _progress(client, broker, durable)
    (state,) = worker().loader.load([0])
    assert (state.next_offset, state.durable_offset, state.pending) == (start, start, 0)
    assert state.as_of_ms == (0 if durable is None else _AS_OF_MS)


def test_the_epoch_is_the_newest(broker: str, client: Client, worker: Callable[[], Worker]) -> None:
    _progress(client, broker, 3, source=5 << 16)
    states = worker().loader.load([0, 1])
    assert [(state.epoch, state.source, state.next_offset) for state in states] == [
        (5, 5 << 16, 3),
        (5, 5 << 16 | 1, 0),
    ]


def test_a_topic_made_anew_is_refused(
    broker: str, client: Client, worker: Callable[[], Worker]
) -> None:
    _progress(client, broker, 3)
    delete_topics(broker)
    create_topics(broker)
    send(broker, [(b"7", b"{}")] * 6)
    with pytest.raises(WorkerStoppedError, match=r"was made anew .*`sms-analytics epoch next`"):
        worker().loader.load([0])


def test_a_shorter_log_is_refused(
    broker: str, client: Client, worker: Callable[[], Worker]
) -> None:
    _progress(client, broker, 9)
    with pytest.raises(
        WorkerStoppedError, match=r"ends at 6, 3 records before .*`sms-analytics epoch next`"
    ):
        worker().loader.load([0])


def test_another_number_of_partitions_is_refused(
    broker: str, client: Client, worker: Callable[[], Worker]
) -> None:
    _progress(client, broker, 3)
    admin = AdminClient({"bootstrap.servers": broker})
    for done in admin.create_partitions([NewPartitions(USAGE, 3)]).values():
        done.result(10)
    with pytest.raises(
        WorkerStoppedError, match=r"has 3 partitions, had 2;.*`sms-analytics epoch next --par.* 3`"
    ):
        worker().loader.load([0])


def test_records_that_are_gone_unread_are_refused(
    broker: str, client: Client, worker: Callable[[], Worker]
) -> None:
    _progress(client, broker, 3)
    _delete_before(broker, 5)
    with pytest.raises(
        WorkerStoppedError,
        match=r"begins at 5, so 2 records are gone unread;.*`sms-analytics epoch accept-gap`",
    ):
        worker().loader.load([0])


def test_records_that_are_gone_and_were_read_are_no_loss(
    broker: str, client: Client, worker: Callable[[], Worker]
) -> None:
    _progress(client, broker, 5)
    _delete_before(broker, 5)
    assert worker().loader.load([0])[0].next_offset == 5


def test_records_that_are_gone_uncommitted_and_were_read_are_no_loss(
    broker: str, client: Client, worker: Callable[[], Worker]
) -> None:
    # Killed between its last flush and the commit, then stopped for longer than the retention.
    _commit(broker, 2)
    _progress(client, broker, 5)
    _delete_before(broker, 5)
    assert worker().loader.load([0])[0].next_offset == 5


def test_what_a_partition_begins_with(
    broker: str, client: Client, store: Store, worker: Callable[[], Worker]
) -> None:
    cells = _write(client, _at(0, 1, 2, 3))
    _progress(client, broker, 3)
    client.insert(
        "quarantine",
        [[0, 4, "ann", "why"], [1, 5, "ann", "of another"]],
        column_names=["source", "offset", "requested_by", "reason"],
    )
    begun = worker()
    (state,) = begun.loader.load([0])
    assert state.quarantined == {4: "why"}
    assert {name: contents(table) for name, table in state.tables.items()} == {
        name: contents(table) for name, table in cells.items()
    }
    rows = state.messages.find([b"SM3", b"SM2"])
    assert rows.tolist() == [0, -1]
    # SM3 was written in a flush that was not finished.
    assert messages_of([b"SM3"], state.messages.gather(rows[:1])) == _at(3)
    assert begun.sids.maybe(hashes_of([b"SM0", b"SM3", b"SM4"])).tolist() == [True, True, False]
    snapshot = state.snapshot()
    assert (snapshot.messages.sids, snapshot.cells, snapshot.orphans) == ([], {}, [])


def test_receipts_wait_on(broker: str, client: Client, worker: Callable[[], Worker]) -> None:
    entry = Entry(1, 6, None, None, RECENT_MS, False)
    waiting = Orphan(0, b"SM1", entry, RECENT_MS, b"7", b"{}")
    gone = waiting._replace(entry=entry._replace(position=0), is_gone=True)
    block = orphan_block([waiting, gone])
    client.raw_insert(ORPHANS, block.names, block.to_bytes(), fmt="Native")
    _progress(client, broker, 3)
    (state,) = worker().loader.load([0])
    assert len(state.orphans) == 1
    assert state.snapshot().orphans == []
    assert state.orphans.take(b"SM1", 9, RECENT_MS) == [entry]
    assert state.snapshot().orphans == [waiting._replace(is_gone=True)]


def test_sids_of_another_worker_are_known_when_its_partition_comes_back(
    broker: str, client: Client, worker: Callable[[], Worker]
) -> None:
    begun = worker()
    begun.loader.load([0])
    _write(client, _at(0, 1))  # by the worker that had the partition meanwhile
    _progress(client, broker, 2)
    begun.loader.load([0])
    assert begun.sids.maybe(hashes_of([b"SM0", b"SM1"])).all()


def test_starts_without_progress_are_counted_as_deaths(
    broker: str, client: Client, store: Store, worker: Callable[[], Worker]
) -> None:
    for times in range(4):
        worker().loader.load([0, 1])
        assert store.deaths(0) == Deaths(0, times, "")
    assert store.deaths(1) is None  # nothing lies before it
    store.note_deaths(0, Deaths(3, 3, "why"))  # as the worker does when a rule fails
    _progress(client, broker, 2)
    worker().loader.load([0])
    assert store.deaths(0) == Deaths(3, 4, "why")
    _progress(client, broker, 4)
    worker().loader.load([0])
    assert store.deaths(0) == Deaths(4, 0, "")
    _progress(client, broker, 6)
    worker().loader.load([0])
    assert store.deaths(0) == Deaths(4, 0, "")
