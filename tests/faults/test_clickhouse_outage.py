"""ClickHouse fails under load in three ways; afterwards every number is right, by itself.

A router sends 3,000 events a second, poison among them, without and with duplicates. Behind a
proxy ClickHouse carries out inserts whose replies are lost, refuses connections, and accepts them
and hangs, a third of `SMS_TEST_OUTAGE_S` seconds (15) each.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest

from deploy.local import kafka as embedded_kafka
from deploy.local.ports import free_port
from deploy.migrate import migrate
from deploy.topics import create_missing_topics
from schemas.settings import Settings, clickhouse_arguments
from schemas.topics import topics
from streams.dlq import letters
from streams.reconcile import main as reconcile
from tests.faults.parts import Parts
from tests.faults.proxy import Mode, Proxy
from tests.oracle import dead_letters, ledger, messages, periods, rates
from tests.oracle.answers import Oracle
from tests.oracle.compare import differences

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc"),
]

OUTAGE_S = float(os.environ.get("SMS_TEST_OUTAGE_S", "15"))
BEFORE_S, AFTER_S = 6.0, 3.0
FAILURES = (Mode.LOSES_REPLIES, Mode.REFUSES, Mode.HANGS)
RATE, USERS, PARTITIONS = 3000, 60, 8
TRAFFIC = ["--rate", str(RATE), "--users", str(USERS), "--poison", "0.01", "--seed", "5"]

# Small, so that a short outage is long enough to fill them: events wait in Kafka instead, and
# most duplicates are of messages that are in ClickHouse only.
MAX_PENDING = 10_000
LIMITS = {
    "SMS_MAX_PENDING_EVENTS": str(MAX_PENDING),
    "SMS_MAX_RECENT_MESSAGES": "2000",
    "SMS_INSERT_TIMEOUT_S": "3",
}
READ = 10_000
"""Records that the reader takes at once; so many may come on top of `MAX_PENDING`."""
MEMORY_BYTES = (MAX_PENDING + READ) * 4096 + (128 << 20)
"""By how much the worker may grow: 4 KiB an event (its message, cells, insert buffers), and what
the reader's queue of 64 MiB of payload (`queued.max.messages.kbytes`) may cost in memory."""
RECOVERED_WITHIN_S = 60.0


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
    is_recovered: bool = False
    status_after: int = 0


@pytest.fixture(scope="module", params=[FIRSTS_ONLY, WITH_DUPLICATES], ids=["firsts", "duplicates"])
def outage(
    request: pytest.FixtureRequest, clickhouse: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outage]:
    """The whole story, once, on a broker and a database of its own."""
    directory = tmp_path_factory.mktemp("outage")
    with _broker(directory) as kafka, _database(clickhouse) as database:
        proxy = Proxy(database)
        parts = Parts(directory, kafka, proxy.url)
        outage = Outage(request.param, parts, kafka, database)
        try:
            parts.start_worker(**LIMITS)
            parts.start_api()
            assert parts.watch(lambda: parts.readiness()[0] == 200, 60), parts.readiness()
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
    events = int(RATE * (BEFORE_S + OUTAGE_S + AFTER_S))
    duplicates = ["--duplicates", str(outage.traffic.duplicates)]
    router = parts.simulate(*TRAFFIC, *duplicates, "--events", str(events), "--ledger", str(book))
    with _repeatedly(lambda: _sample(outage)):
        assert parts.watch(lambda: _folded(parts) > RATE * BEFORE_S, 120), "nothing arrives"
        outage.memory_before = outage.memory_most
        for failure in FAILURES:
            assert parts.watch(lambda: _keeps_up(parts), 120), "the worker does not keep up"
            proxy.become(failure)
            outage.unready[failure] = _asked_for(OUTAGE_S / len(FAILURES), parts)
            proxy.become(Mode.WORKS)
        outage.lost_inserts = proxy.lost_inserts
        assert parts.watch(lambda: router.exit_status is not None, 60)
        assert router.exit_status == 0, router.last_line
        outage.sent = list(ledger.read(book))
        records = sum(entry.kind != "mapping" for entry in outage.sent)
        assert records >= events
        outage.is_recovered = parts.watch(
            lambda: _durable(outage.clickhouse_url) == (records, records), RECOVERED_WITHIN_S
        )
        parts.watch(lambda: parts.readiness()[0] == 200, RECOVERED_WITHIN_S)
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
    """Do something five times a second in a thread, and once more before the end."""
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


def test_the_worker_waits_and_goes_on_by_itself(outage: Outage) -> None:
    assert outage.is_recovered
    assert outage.has_waited
    assert outage.parts.deaths == []


def test_inserts_were_carried_out_whose_replies_were_lost(outage: Outage) -> None:
    assert outage.lost_inserts > 0


def test_the_backlog_and_memory_stay_bounded(outage: Outage) -> None:
    assert outage.pending_most <= MAX_PENDING + READ
    if outage.traffic is FIRSTS_ONLY:
        assert outage.pending_most >= MAX_PENDING
    assert outage.memory_before > 0
    assert outage.memory_most - outage.memory_before <= MEMORY_BYTES


def test_readyz_says_that_clickhouse_refuses(outage: Outage) -> None:
    ((status, words),) = outage.unready[Mode.REFUSES]
    assert status == 503
    assert "refused" in words


def test_readyz_says_that_clickhouse_does_not_answer(outage: Outage) -> None:
    assert outage.unready[Mode.HANGS] == {(503, "no answer within 3 s")}


def test_readyz_is_content_afterwards(outage: Outage) -> None:
    assert outage.status_after == 200


def test_every_total_equals_the_oracle(outage: Outage) -> None:
    folded = messages.fold(outage.sent, rates.shipped(), with_receipts=False)
    oracle = Oracle(folded)
    system = f"/admin/sms-analytics/system?time_range=7d&limit={USERS}"
    answer = outage.parts.get(system, 1, "admin")
    found = differences(answer, oracle.system(_question(answer)))
    for user in oracle.users[:10]:
        answer = outage.parts.get("/me/sms-analytics?time_range=7d", user)
        found += differences(answer, oracle.user(user, _question(answer)), f"user {user}")
    assert found == []


def test_dead_letters_are_exactly_the_poison(outage: Outage) -> None:
    found = {(letter.key, letter.value) for letter in letters(outage.kafka)}
    assert found == dead_letters.expected(outage.sent)


def test_rollups_are_the_usage_log(outage: Outage) -> None:
    settings = Settings(kafka_url=f"kafka://{outage.kafka}", clickhouse_url=outage.clickhouse_url)
    assert reconcile(settings) == 0


def _question(answer: Any) -> periods.Question:
    asked_at = datetime.fromisoformat(answer["generated_at"]).timestamp()
    as_of = datetime.fromisoformat(answer["data_as_of"]).timestamp()
    return periods.named("7d", "UTC", asked_at, round(as_of * 1000))
