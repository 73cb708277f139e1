"""Sends records to Kafka as the real router would: idempotent, acknowledged by all replicas, and
tried until it works, so that a broker's restart costs nothing but time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, Producer

from deploy.simulate.records import Record
from schemas import topics

MAX_WAITING = 200_000
"""Records that may wait for the broker before `send` waits too."""

_SETTINGS: dict[str, Any] = {
    "enable.idempotence": True,
    "acks": "all",
    "retries": 2**31 - 1,
    "message.timeout.ms": 0,
    "partitioner": "murmur2_random",
    "compression.type": "lz4",
    "batch.size": 1_000_000,
    "batch.num.messages": 50_000,
    "message.max.bytes": topics.USAGE_MAX_BYTES,
    "queue.buffering.max.messages": 2 * MAX_WAITING,
    "delivery.report.only.error": True,
    # librdkafka would print on stderr what `trouble` and `failures` say in one line.
    "log_level": 0,
}


class Sender:
    """A Kafka producer that knows how many records are still on their way.

    `failures` counts what can never be delivered, by reason; it stays empty while the broker is
    merely away. `trouble` is the last connection error, if there was any.
    """

    def __init__(self, bootstrap_servers: str, linger_ms: int) -> None:
        self.failures: Counter[str] = Counter()
        self.trouble: str | None = None
        self.sent_total = 0
        self._producer = Producer(
            _SETTINGS
            | {
                "bootstrap.servers": bootstrap_servers,
                "linger.ms": linger_ms,
                "error_cb": self._on_error,
                "on_delivery": self._on_delivery,
            }
        )

    @property
    def waiting(self) -> int:
        """Records handed over whose delivery is not known yet."""
        return len(self._producer)

    def send(self, records: list[Record], is_stopped: Callable[[], bool]) -> None:
        """Hand records over in order, waiting while too many are on their way.

        They are in the ledger already, so a stop ends only that wait; the rest are failures then.
        """
        produce, poll = self._producer.produce, self._producer.poll
        for number, record in enumerate(records):
            while number % 1000 == 0 and len(self._producer) > MAX_WAITING:
                if is_stopped():
                    self.failures["stopped before they were sent"] += len(records) - number
                    return
                poll(0.05)
            topic = topics.USER_PHONES if record.kind == "mapping" else topics.USAGE
            produce(topic, record.value, record.key)
            self.sent_total += 1
        poll(0)

    def flush(self, is_stopped: Callable[[], bool]) -> int:
        """Wait until all is delivered, or `is_stopped`; the number of records that are not."""
        while len(self._producer) and not is_stopped():
            self._producer.flush(0.1)
        return len(self._producer) + self.failures.total()

    def _on_delivery(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self.failures[f"{message.topic()}: {error.str()}"] += 1

    def _on_error(self, error: KafkaError) -> None:
        self.trouble = error.str()
