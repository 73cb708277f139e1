"""The usage topic as an operator's command changes it."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from schemas.topics import USAGE
from streams.reader import Log

_TIMEOUT_S = 30.0


class ChangingLog(Log):
    """The log's questions, and the few changes that a new epoch needs."""

    def __init__(self, bootstrap_servers: str) -> None:
        super().__init__(bootstrap_servers)
        self._bootstrap_servers = bootstrap_servers
        self.admin = AdminClient({"bootstrap.servers": bootstrap_servers})

    def unread(self, partition: int, offset: int, end: int) -> int:
        """How many offsets from `offset` to `end` wait to be read, 0 when none holds a record:
        transaction markers and records of aborted transactions take offsets, too."""
        if offset >= end:
            return 0
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap_servers,
                "group.id": "reads-only",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        try:
            consumer.assign([TopicPartition(USAGE, partition, offset)])
            return end - offset if _has_record(consumer) else 0
        finally:
            consumer.close()

    def grow(self, partitions: int) -> None:
        """Give the usage topic so many partitions; returns once all of them answer."""
        new = [NewPartitions(USAGE, partitions)]
        for done in self.admin.create_partitions(new, operation_timeout=_TIMEOUT_S).values():
            done.result(_TIMEOUT_S)
        deadline = time.monotonic() + _TIMEOUT_S
        while not self._answers(partitions):
            if time.monotonic() > deadline:
                raise ConnectionError(f"Kafka does not show the new partitions of {USAGE}")
            time.sleep(0.1)

    def _answers(self, partitions: int) -> bool:
        try:
            return self.identity()[1] == partitions and len(self.ends(range(partitions))) > 0
        except KafkaException:
            return False

    def forget_changelog(self, group: str) -> None:
        """Delete the topic of Faust's table, which is empty and has the old number of partitions;
        workers make it anew."""
        names = [f"{group}-working-set-changelog"]
        for deleted in self.admin.delete_topics(names, operation_timeout=_TIMEOUT_S).values():
            try:
                deleted.result(_TIMEOUT_S)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise


def _has_record(consumer: Consumer) -> bool:
    """Whether a record comes before the end of the log does."""
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        message = consumer.poll(1.0)
        if message is None:
            continue
        error = message.error()
        if error is None:
            return True
        if error.code() == KafkaError._PARTITION_EOF:
            return False
        if error.fatal() or not error.retriable():
            raise KafkaException(error)
    raise ConnectionError(f"{USAGE} cannot be read within {_TIMEOUT_S:.0f} s")
