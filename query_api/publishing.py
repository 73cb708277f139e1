"""Publishes records to Kafka and waits until the broker has them; looks where a topic ends.

The producer is made at the first record, so an API that nobody sends a decision to needs no broker.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from confluent_kafka import KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from query_api.errors import UnavailableError
from query_api.settings import ApiSettings

log = logging.getLogger("query_api")

_TIMEOUT_S = 5.0


class KafkaPublisher:
    """One record at a time, in one thread."""

    def __init__(self, settings: ApiSettings) -> None:
        self._servers = settings.bootstrap_servers
        self._thread = ThreadPoolExecutor(1, "publisher")
        self._producer: Producer | None = None
        self._admin: AdminClient | None = None

    async def publish(self, topic: str, key: str, value: bytes) -> None:
        """Returns when all replicas in sync have the record; raises `UnavailableError`."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._publish, topic, key, value)

    async def log_of(self, topic: str) -> tuple[str, dict[int, int]]:
        """A topic's id, and where each of its partitions ends; raises `UnavailableError`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._log_of, topic)

    def _log_of(self, topic: str) -> tuple[str, dict[int, int]]:
        try:
            self._admin = self._admin or AdminClient(
                {"bootstrap.servers": self._servers, "log_level": 0}
            )
            described = self._admin.describe_topics(
                TopicCollection([topic]), request_timeout=_TIMEOUT_S
            )[topic].result()
            asked = {
                TopicPartition(topic, each.id): OffsetSpec.latest() for each in described.partitions
            }
            answers = self._admin.list_offsets(asked, request_timeout=_TIMEOUT_S)
            ends = {tp.partition: answer.result().offset for tp, answer in answers.items()}
        except KafkaException as error:
            log.warning("%s cannot be looked at: %s", topic, error.args[0].str())
            raise UnavailableError("The message log cannot be reached.", reason="kafka") from None
        return str(described.topic_id), ends

    def _publish(self, topic: str, key: str, value: bytes) -> None:
        outcome: list[Any] = []

        def delivered(error: Any, _: Any) -> None:
            outcome.append(error)

        try:
            self._producer = self._producer or Producer(
                {
                    "bootstrap.servers": self._servers,
                    "enable.idempotence": True,
                    "partitioner": "murmur2_random",
                    "linger.ms": 0,
                    "message.timeout.ms": int(_TIMEOUT_S * 1000),
                }
            )
            self._producer.produce(topic, value, key, on_delivery=delivered)
            self._producer.flush(_TIMEOUT_S + 1)
        except (KafkaException, BufferError) as error:
            outcome.append(error)
        # Not `!= [None]`: a KafkaError cannot be compared with None.
        if not outcome or any(error is not None for error in outcome):
            log.warning("publishing to %s failed: %s", topic, outcome)
            raise UnavailableError("The message log cannot be reached.", reason="kafka")

    def close(self) -> None:
        """Let the running record end, and give up those that were not delivered."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._producer is not None:
            self._producer.purge()
            self._producer = None
