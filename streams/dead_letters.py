"""The dead-letter topic: rejected records with their own key and bytes, and the reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from confluent_kafka import KafkaError, Message, Producer

from schemas.topics import DEAD_LETTERS, USAGE
from streams.errors import WorkerStoppedError
from streams.working_set import DeadLetter


class DeadLetterProducer:
    """Sends dead letters and waits until every one of them is acknowledged."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "acks": "all",
                "enable.idempotence": True,
                # The broker's limit is on what it receives, compressed; what a router could send
                # must be accepted here, and arrives there as small.
                "message.max.bytes": 1_000_000_000,
                "delivery.timeout.ms": 30_000,
                "linger.ms": 5,
                "compression.type": "zstd",
            }
        )

    def send(self, letters: Sequence[DeadLetter]) -> None:
        """Send all letters; raises ConnectionError unless each is acknowledged.

        Raises WorkerStoppedError when the broker will never take one of them.
        """
        failures: list[KafkaError] = []

        def on_delivery(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failures.append(error)

        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        for letter in letters:
            headers: list[tuple[str, str | bytes | None]] = [
                ("reason", letter.reason),
                ("detail", letter.detail),
                ("source_topic", USAGE),
                ("source_partition", str(letter.partition)),
                ("source_offset", str(letter.offset)),
                ("failed_at", now),
            ]
            while True:
                try:
                    self._producer.produce(
                        DEAD_LETTERS,
                        key=letter.key,
                        value=letter.value,
                        headers=headers,
                        on_delivery=on_delivery,
                    )
                    break
                except BufferError:
                    self._producer.poll(0.1)
        left = self._producer.flush(60)
        for error in failures:
            if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                raise WorkerStoppedError(
                    f"a dead letter is larger than {DEAD_LETTERS} takes: raise its"
                    " max.message.bytes"
                )
        if failures or left:
            raise ConnectionError(f"dead letters were not acknowledged: {failures[:1] or left}")
