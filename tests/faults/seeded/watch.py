"""Watches a run: how long each fault is felt, and that no commit is ever ahead of what is durable.

A commit is read before what is durable is asked for, so one that is ahead was so when it was read.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

import clickhouse_connect
from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.settings import clickhouse_arguments
from schemas.topics import USAGE
from tests.streams.conftest import PARTITIONS

_EVERY_S = 0.25
_PATIENCE_S = 150.0
_DURABLE = "SELECT source, next_offset FROM source_progress FINAL"


class Watch:
    """From the beginning to the end of a `with`: `ahead` are the commits that ran ahead."""

    def __init__(self, url: str, bootstrap: str, group: str) -> None:
        self.ahead: list[str] = []
        self._client = clickhouse_connect.get_client(**clickhouse_arguments(url))
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": group, "log_level": 0}
        )
        self._durable: dict[int, int] = {}
        self._felt: list[tuple[str, float, int]] = []
        self._recovered: list[tuple[str, float]] = []
        self._over = threading.Event()
        self._failures: list[Exception] = []
        self._thread = threading.Thread(target=self._watch)

    def ended(self, fault: str, sent: int) -> None:
        """A fault is over, and so many records have been sent."""
        self._felt.append((fault, time.monotonic(), sent))

    def wait(self, records: int) -> None:
        """Wait until so many records are durable, or nothing moves any more."""
        deadline, before = time.monotonic() + _PATIENCE_S, -1
        while (durable := sum(self._durable.values())) < records or self._felt:
            if self._failures:
                raise self._failures[0]
            if durable != before:
                deadline, before = time.monotonic() + _PATIENCE_S, durable
            if time.monotonic() > deadline:
                return
            time.sleep(_EVERY_S)

    @property
    def recovered(self) -> list[tuple[str, float]]:
        """Each fault, and seconds from its end until what had been sent by then was durable."""
        return list(self._recovered)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self._consumer.close()
        self._client.close()

    def _watch(self) -> None:
        try:
            while not self._over.wait(_EVERY_S):
                self._look()
        except Exception as error:
            self._failures.append(error)

    def _look(self) -> None:
        asked = [TopicPartition(USAGE, number) for number in range(PARTITIONS)]
        try:
            committed = self._consumer.committed(asked, timeout=1)
        except KafkaException:
            committed = []  # the broker is away
        self._durable = dict(self._client.query(_DURABLE).result_rows)
        for tp in committed:
            durable = self._durable.get(tp.partition, 0)
            if tp.offset > durable:
                self.ahead.append(
                    f"partition {tp.partition}: committed {tp.offset}, durable {durable}"
                )
        total, now = sum(self._durable.values()), time.monotonic()
        over = [felt for felt in self._felt if felt[2] <= total]
        for felt in over:
            self._felt.remove(felt)
            self._recovered.append((felt[0], round(now - felt[1], 2)))
