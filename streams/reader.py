"""Reads the assigned partitions with librdkafka; one for each worker, used by one thread.

Not Faust's fetcher: that one drops chunks after some recoveries and seeks, and spends its time
per message. Positions are given, never taken from the group; nothing is committed here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.topics import USAGE
from streams.errors import WorkerStoppedError
from streams.intake import Chunk
from streams.librdkafka import RawConsumer
from streams.offsets import Offsets

# Many at once: what is done once a chunk then weighs little.
_BATCH = 40_000
_POLL_S = 0.05
_RPC_S = 10.0


class Log:
    """Questions about the usage topic's log, over a connection that no fetch holds back."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers})
        self._asked = Offsets(bootstrap_servers)

    def describe(self) -> tuple[str, int]:
        """As `identity`. Raises WorkerStoppedError when nobody says."""
        try:
            return self.identity()
        except KafkaException as error:
            raise WorkerStoppedError(f"{USAGE} cannot be read: {error.args[0].str()}") from error

    def identity(self) -> tuple[str, int]:
        """Id of the usage topic and its number of partitions. Raises KafkaException."""
        topics = TopicCollection([USAGE])
        topic = self._admin.describe_topics(topics, request_timeout=_RPC_S)[USAGE].result()
        return str(topic.topic_id), len(topic.partitions)

    def starts(self, partitions: Iterable[int]) -> dict[int, int]:
        """The first offset that the log still holds, by partition."""
        return self._offsets(partitions, OffsetSpec.earliest())

    def ends(self, partitions: Iterable[int]) -> dict[int, int]:
        """The offset after the log's last record, by partition."""
        return self._offsets(partitions, OffsetSpec.latest())

    def next_record(self, partition: int, offset: int) -> int:
        """The offset of the first record at or after `offset`, waiting until one is there."""
        settings = {"bootstrap.servers": self._bootstrap_servers, "group.id": "looks-only"}
        consumer = Consumer({**settings, "enable.auto.commit": False, "auto.offset.reset": "error"})
        try:
            consumer.assign([TopicPartition(USAGE, partition, offset)])
            while (record := consumer.poll(_RPC_S)) is None or record.error() is not None:
                if record is not None:
                    _raise_unless_passing(record.error(), partition, record.offset())
            return int(record.offset())
        finally:
            consumer.close()

    def _offsets(self, partitions: Iterable[int], spec: OffsetSpec) -> dict[int, int]:
        asked = {TopicPartition(USAGE, partition): spec for partition in partitions}
        return {tp.partition: offset for tp, offset in self._asked.of(asked).items()}


class Reader:
    """Chunks of the partitions that `begin` names, in order of offset within each."""

    def __init__(self, bootstrap_servers: str, group: str) -> None:
        self._generation = 0
        self._partitions: list[int] = []
        self._committed = Consumer(
            {"bootstrap.servers": bootstrap_servers, "group.id": group, "enable.auto.commit": False}
        )
        self._consumer = RawConsumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": group,
                "enable.auto.commit": "false",
                "enable.auto.offset.store": "false",
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 100,
                # The default, 1 s, lets a full local queue stall the partition behind it.
                "fetch.queue.backoff.ms": 5,
                "queued.max.messages.kbytes": 65536,
                "fetch.message.max.bytes": 4 * 1024 * 1024,
            },
            _BATCH,
        )

    def committed(self, partitions: list[int]) -> dict[int, int]:
        """Offsets that the group has committed, of those partitions that have one."""
        found = self._committed.committed(
            [TopicPartition(USAGE, partition) for partition in partitions], timeout=_RPC_S
        )
        return {tp.partition: tp.offset for tp in found if tp.offset >= 0}

    def begin(self, generation: int, positions: Mapping[int, int]) -> None:
        """Read from `positions` (offset by partition) on behalf of a generation."""
        self._generation = generation
        self._partitions = list(positions)
        self._consumer.assign(
            USAGE, {p: offset or OFFSET_BEGINNING for p, offset in positions.items()}
        )

    def stop(self) -> None:
        """Read nothing until the next `begin`."""
        self._partitions = []
        self._consumer.unassign()

    def close(self) -> None:
        """Give everything back; the reader is not used again."""
        self._consumer.close()
        self._committed.close()

    def poll(self) -> list[Chunk]:
        """What has arrived since the last call, a chunk for each partition; waits 50 ms at most.

        Raises WorkerStoppedError when a position lies outside of the log.
        """
        if not self._partitions:
            time.sleep(_POLL_S)
            return []
        found, failures = self._consumer.consume(_POLL_S)
        for failure in failures:
            _raise_unless_passing(failure.error, failure.partition, failure.offset)
        return [Chunk(self._generation, *records) for records in found]


def _raise_unless_passing(error: KafkaError, partition: int, offset: int) -> None:
    if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
        raise WorkerStoppedError(
            f"partition {partition} of {USAGE} no longer holds offset {offset}: {error.str()}"
        )
    if error.fatal():
        raise KafkaException(error)
