"""Runs the worker as a process of its own against a real broker and ClickHouse.

Topic names are fixed, so every bench makes the topics anew, in a database of its own and with a
consumer group of its own; a static member of it, so that a worker that was killed is replaced
without waiting for its session to end.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.children import Child
from deploy.local.ports import free_port
from deploy.migrate import migrate
from schemas.rows import CELL_TABLES, SYSTEM_15M, USAGE_LOG, USER_15M
from schemas.topics import DEAD_LETTERS, USAGE
from schemas.units import partition_of, source_epoch
from streams import reconcile
from streams.clickhouse import connect
from streams.reader import Log
from tests.streams.conftest import create_topics, delete_topics
from tests.streams.records import read, send

WORKER = (sys.executable, "-m", "streams.worker")
_PATIENCE_S = 60.0
_numbers = itertools.count()


class Bench:
    """A broker, a database and at most one worker at a time."""

    def __init__(self, broker: str, url: str, directory: Path) -> None:
        self.broker = broker
        self.url = url
        self.client: Client = connect(url, 30)
        self.group = f"bench-{os.getpid()}-{next(_numbers)}"
        self._log = directory / "worker.log"
        self._worker: Child | None = None
        self._metrics_port = 0

    def start(self, command: tuple[str, ...] = WORKER, **settings: object) -> Child:
        """Start a worker with these settings (named as in the environment, without `SMS_`)."""
        self._metrics_port = free_port()
        environment = {
            "KAFKA_URL": f"kafka://{self.broker}",
            "CLICKHOUSE_URL": self.url,
            "CONSUMER_GROUP": self.group,
            "INSTANCE_ID": "bench",
            "SID_FILTER_MB": 1,
            "FLUSH_INTERVAL_S": 0.1,
            "METRICS_PORT": self._metrics_port,
            **settings,
        }
        named = {f"SMS_{name}": str(v) for name, v in environment.items() if v is not None}
        self._worker = Child("worker", command, self._log, named)
        return self._worker

    @property
    def worker(self) -> Child:
        """The worker that was started last."""
        assert self._worker is not None
        return self._worker

    @property
    def output(self) -> str:
        """All that the workers have written."""
        return self._log.read_text()

    def kill(self) -> None:
        """End the worker with SIGKILL."""
        self.worker.kill()

    def terminate(self) -> int:
        """Ask the worker to stop; its exit status."""
        os.kill(self.worker.pid, signal.SIGTERM)
        until(lambda: self.worker.exit_status is not None, "the worker does not stop")
        return int(self.worker.exit_status or 0)

    def send(self, *records: tuple[bytes | None, bytes | None], partition: int = 0) -> None:
        """Publish usage records to one partition."""
        send(self.broker, records, partition=partition)

    def ends(self) -> dict[int, int]:
        """The offset after the last record of each partition."""
        consumer = Consumer({"bootstrap.servers": self.broker, "group.id": "ends"})
        try:
            return {
                n: consumer.get_watermark_offsets(TopicPartition(USAGE, n), 10)[1]
                for n in _partitions(consumer)
            }
        finally:
            consumer.close()

    def topic_id(self) -> str:
        """The id of the usage topic."""
        return Log(self.broker).identity()[0]

    def committed(self) -> dict[int, int]:
        """The group's committed offsets, of those partitions that have one."""
        consumer = Consumer({"bootstrap.servers": self.broker, "group.id": self.group})
        try:
            asked = [TopicPartition(USAGE, n) for n in _partitions(consumer)]
            found = consumer.committed(asked, timeout=10)
        finally:
            consumer.close()
        return {tp.partition: tp.offset for tp in found if tp.offset >= 0}

    def durable(self) -> dict[int, int]:
        """The next offset of each partition as ClickHouse has it, of the newest epoch.

        An assigned partition without records has its row, too, and a commit of offset 0.
        """
        rows = self.rows("SELECT source, next_offset FROM source_progress FINAL")
        newest = max((source_epoch(source) for source, _ in rows), default=0)
        return {partition_of(s): offset for s, offset in rows if source_epoch(s) == newest}

    def finish(self) -> None:
        """Wait until everything that was sent is durable."""
        ends = self.ends()

        def is_durable() -> bool:
            assert self.worker.exit_status is None, self.output[-4000:]
            durable = self.durable()
            return all(durable.get(partition, 0) == end for partition, end in ends.items())

        until(is_durable, f"not durable up to {ends}")

    def rows(self, query: str) -> list[Any]:
        """What ClickHouse answers."""
        return list(self.client.query(query).result_rows)

    def log(self) -> dict[str, tuple[int, str]]:
        """User and how it was decided, of every message of the usage log."""
        rows = self.rows(
            f"SELECT message_sid, user_id, toString(user_decision) FROM {USAGE_LOG} FINAL"
        )
        assert len({row[0] for row in rows}) == len(rows)
        return {sid: (user, decision) for sid, user, decision in rows}

    def totals(self) -> dict[str, int]:
        """The messages that each table of cells counts."""
        return {
            table: int(self.rows(f"SELECT sum(messages) FROM {table} FINAL")[0][0])
            for table in CELL_TABLES
        }

    def users(self) -> Counter[int]:
        """Messages by user as their cells count them, user 0 as the system's less all others'."""
        rows = self.rows(f"SELECT user_id, sum(messages) FROM {USER_15M} FINAL GROUP BY user_id")
        counts = Counter({user: int(messages) for user, messages in rows})
        counts[0] = self.totals()[SYSTEM_15M] - counts.total()
        return counts

    def assert_exact(self, sids: set[str]) -> None:
        """Exactly these messages are in the log, each once, and the cells are the log's."""
        log = self.log()
        assert set(log) == sids, f"missing {sids - set(log)}, surplus {set(log) - sids}"
        users = Counter(user for user, _ in log.values())
        assert self.users() == users, f"{self.users()} for {users}"
        found = list(reconcile.differences(self.client, int(time.time())))
        assert not found, found

    def dead_letters(self) -> dict[tuple[int, int], Any]:
        """The records of the dead-letter topic by their source position."""
        letters = {}
        for record in read(self.broker, DEAD_LETTERS):
            headers = {name: value.decode() for name, value in record.headers()}
            place = (int(headers["source_partition"]), int(headers["source_offset"]))
            letters[place] = (record, headers)
        return letters

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels; 0 while the worker starts."""
        try:
            with urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except URLError:
            assert self.worker.exit_status is None, self.output[-4000:]
            return 0.0
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


def _partitions(consumer: Consumer) -> list[int]:
    return sorted(consumer.list_topics(USAGE, 10).topics[USAGE].partitions)


def until(is_so: Callable[[], object], otherwise: str, patience_s: float = _PATIENCE_S) -> None:
    """Wait until something is so; fails saying `otherwise`."""
    deadline = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


@contextmanager
def bench(kafka: str, clickhouse: str, directory: Path) -> Iterator[Bench]:
    """A bench on the session's broker and server; its worker is killed at the end."""
    url = clickhouse.removesuffix("/default") + f"/bench_{os.getpid()}_{next(_numbers)}"
    delete_topics(kafka)
    create_topics(kafka)
    migrate(url)
    made = Bench(kafka, url, directory)
    try:
        yield made
    finally:
        if made._worker is not None:
            made.kill()
        made.client.command(f"DROP DATABASE {url.rpartition('/')[2]}")
        made.client.close()
        delete_topics(kafka, f"{made.group}-working-set-changelog")
