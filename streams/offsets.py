"""Where partitions begin and end, asked of the broker."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

TIMEOUT_S = 10.0


class Offsets:
    """Asks for offsets, each time again with a new client after a failure.

    librdkafka's admin client keeps the leader epochs that it has seen, and goes on asking with
    them although a broker that was restarted has newer ones and refuses each question.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._admin: AdminClient | None = None

    def of(self, asked: Mapping[TopicPartition, OffsetSpec]) -> dict[TopicPartition, int]:
        """The offset of each partition. Raises KafkaException."""
        if not asked:
            return {}
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self._bootstrap_servers})
        try:
            answers = self._admin.list_offsets(dict(asked), request_timeout=TIMEOUT_S)
            return {tp: answer.result().offset for tp, answer in answers.items()}
        except KafkaException:
            self._admin = None
            raise
