"""A worker and an API under load whose ClickHouse fails in three ways, and what was seen.

A router sends 1,500 events a second, poison among them. Behind a proxy ClickHouse carries out
inserts whose replies are lost, refuses connections, and accepts them and hangs, a third of
`SMS_TEST_OUTAGE_S` seconds (15) each, and every time the worker has caught up before.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import clickhouse_connect

from deploy.local import kafka as embedded_kafka
from deploy.local.ports import free_port
from deploy.migrate import migrate
from deploy.topics import create_missing_topics
from schemas.settings import clickhouse_arguments
from schemas.topics import topics
from tests.faults.parts import Parts
from tests.faults.proxy import Mode, Proxy
from tests.oracle import ledger

OUTAGE_S = float(os.environ.get("SMS_TEST_OUTAGE_S", "15"))
BEFORE_S, AFTER_S = 6.0, 3.0
FAILURES = (Mode.LOSES_REPLIES, Mode.REFUSES, Mode.HANGS)
RATE, USERS, PARTITIONS = 1500, 60, 8
TRAFFIC = ["--rate", str(RATE), "--users", str(USERS), "--seed", "5"]
TRAFFIC += ["--poison", "0.01", "--receipts", "0.2"]

# Small, so that a short outage is long enough to fill them: events wait in Kafka instead, and
# most duplicates are of messages that are in ClickHouse only.
MAX_PENDING = 5_000
LIMITS = {
    "SMS_MAX_PENDING_EVENTS": str(MAX_PENDING),
    "SMS_MAX_RECENT_MESSAGES": "2000",
    "SMS_INSERT_TIMEOUT_S": "3",
    # Its pages become memory when the first sid falls into them, so a large one would seem to grow.
    "SMS_SID_FILTER_MB": "4",
}
READ = 40_000
"""Records that the reader takes at once; so many may come on top of `MAX_PENDING`."""
MEMORY_BYTES = (MAX_PENDING + READ) * 4096 + (128 << 20)
"""By how much the worker may grow: 4 KiB an event (its message, cells, insert buffers), and what
the reader's queue of 64 MiB of payload (`queued.max.messages.kbytes`) may cost in memory."""
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Traffic:
    """A share of duplicates, and which metric says that the worker waits for ClickHouse."""

    duplicates: float
    waiting: str


FIRSTS_ONLY = Traffic(0, "sms_worker_backpressure")
"""Nothing has to be looked up: folding goes on until its backlog is full."""
WITH_DUPLICATES = Traffic(0.1, 'sms_worker_retries_total{what="reading ClickHouse"}')
"""Folding cannot go on without reading."""


@dataclass
class Outage:
    """What was seen before, during and after; `unready` is what /readyz said of ClickHouse."""

    traffic: Traffic
    parts: Parts
    kafka: str
    clickhouse_url: str
    sent: list[ledger.Sent] = field(default_factory=list)
    unready: dict[Mode, set[tuple[int, str]]] = field(default_factory=dict)
    memory_before: int = 0
    memory_most: int = 0
    pending_most: float = 0
    has_waited: bool = False
    lost_inserts: int = 0
    recovered_after_s: float = float("inf")
    status_after: int = 0

    def __str__(self) -> str:
        memory, grown = self.memory_before >> 20, (self.memory_most - self.memory_before) >> 20
        return (
            f"{len(self.sent):,} records, {self.traffic.duplicates:.0%} duplicates:"
            f" {self.lost_inserts} replies lost, at most {self.pending_most:,.0f} events pending,"
            f" worker {memory} MiB + {grown} MiB, all durable {self.recovered_after_s:.1f} s after"
            " the last event"
        )


@contextmanager
def suffered(traffic: Traffic, clickhouse: str, directory: Path) -> Iterator[Outage]:
    """The whole story, on a broker and a database of its own; the parts run until the end."""
    with _broker(directory) as kafka, _database(clickhouse) as database:
        proxy = Proxy(database)
        parts = Parts(directory, kafka, proxy.url)
        outage = Outage(traffic, parts, kafka, database)
        try:
            parts.start_worker(**LIMITS)
            parts.start_api()
            assert parts.watch(lambda: parts.readiness()[0] == 200, PATIENCE_S), parts.readiness()
            _suffer(outage, proxy, directory / "ledger.ndjson")
            yield outage
        finally:
            parts.stop()
            proxy.close()


@contextmanager
def _broker(directory: Path) -> Iterator[str]:
    port = free_port()
    broker = embedded_kafka.start(directory / "kafka", port, directory / "kafka.log", print)
    try:
        create_missing_topics(f"127.0.0.1:{port}", topics(PARTITIONS))
        yield f"127.0.0.1:{port}"
    finally:
        broker.stop(10.0)


@contextmanager
def _database(clickhouse: str) -> Iterator[str]:
    name = f"outage_{os.getpid()}"
    migrate(clickhouse.removesuffix("/default") + f"/{name}")
    try:
        yield clickhouse.removesuffix("/default") + f"/{name}"
    finally:
        with clickhouse_connect.get_client(**clickhouse_arguments(clickhouse)) as client:
            client.command(f"DROP DATABASE {name}")


def _suffer(outage: Outage, proxy: Proxy, book: Path) -> None:
    parts = outage.parts
    duplicates = ["--duplicates", str(outage.traffic.duplicates)]
    router = parts.simulate(*TRAFFIC, *duplicates, "--ledger", str(book))
    with _repeatedly(lambda: _sample(outage)):
        assert parts.watch(lambda: _folded(parts) > RATE * BEFORE_S, 120), "nothing arrives"
        outage.memory_before = outage.memory_most
        for failure in FAILURES:
            assert parts.watch(lambda: _keeps_up(parts), 120), "the worker does not keep up"
            proxy.become(failure)
            outage.unready[failure] = _asked_for(OUTAGE_S / len(FAILURES), parts)
            proxy.become(Mode.WORKS)
        outage.lost_inserts = proxy.lost_inserts
        parts.watch(lambda: False, AFTER_S)
        router.terminate()
        assert parts.watch(lambda: router.exit_status is not None, 30)
        assert router.exit_status == 0, router.last_line
        outage.sent = list(ledger.read(book))
        _recover(outage)


def _recover(outage: Outage) -> None:
    parts, began = outage.parts, time.monotonic()
    records = sum(entry.kind != "mapping" for entry in outage.sent)
    if parts.watch(lambda: _durable(outage.clickhouse_url) == (records, records), PATIENCE_S):
        outage.recovered_after_s = time.monotonic() - began
    parts.watch(lambda: parts.readiness()[0] == 200, PATIENCE_S)
    outage.status_after = parts.readiness()[0]


def _sample(outage: Outage) -> None:
    """Look at the worker's memory and backlog."""
    parts = outage.parts
    outage.memory_most = max(outage.memory_most, parts.resident_bytes())
    pending = parts.gauge("sms_worker_pending_events")
    outage.pending_most = max(outage.pending_most, pending or 0)
    outage.has_waited |= (parts.gauge(outage.traffic.waiting) or 0) > 0


def _asked_for(seconds: float, parts: Parts) -> set[tuple[int, str]]:
    """Every status of /readyz within so many seconds, with its words on ClickHouse."""
    # The API keeps an answer for a second.
    parts.watch(lambda: False, 1.1)
    answers: list[tuple[int, dict[str, str]]] = []
    with _repeatedly(lambda: answers.append(parts.readiness())):
        parts.watch(lambda: False, seconds - 1.1)
    return {(status, failed.get("clickhouse", "")) for status, failed in answers}


@contextmanager
def _repeatedly(action: Callable[[], None]) -> Iterator[None]:
    """Do something five times a second in a thread."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.2):
            action()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _folded(parts: Parts) -> float:
    return parts.gauge("sms_worker_events_total") or 0


def _keeps_up(parts: Parts) -> bool:
    """Whether the worker folds all partitions, at most two seconds behind."""
    if parts.gauge("sms_worker_partitions") != PARTITIONS:
        return False
    waiting = (parts.gauge("sms_worker_lag_records"), parts.gauge("sms_worker_pending_events"))
    return all(count is not None and count < 2 * RATE for count in waiting)


def _durable(url: str) -> tuple[int, int]:
    """Next offsets and ends of all partitions, summed, as ClickHouse holds them."""
    with clickhouse_connect.get_client(**clickhouse_arguments(url)) as client:
        query = "SELECT sum(next_offset), sum(end_offset) FROM source_progress FINAL"
        ((durable, end),) = client.query(query).result_rows
        return durable, end
