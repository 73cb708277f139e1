"""Sends records to the product's topics and reads them back, for tests with a real broker."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from schemas.topics import USAGE


def send(
    bootstrap_servers: str,
    records: Iterable[tuple[bytes | None, bytes | None]],
    topic: str = USAGE,
    partition: int = 0,
    **settings: Any,
) -> None:
    """Write (key, value) records to one partition, all acknowledged."""
    producer = Producer({"bootstrap.servers": bootstrap_servers, "linger.ms": 5, **settings})
    failures: list[Any] = []
    for key, value in records:
        producer.produce(
            topic,
            key=key,
            value=value,
            partition=partition,
            on_delivery=lambda error, _: failures.append(error) if error else None,
        )
        if len(producer) > 50_000:
            producer.poll(0.1)
    left = producer.flush(30)
    assert not left, f"{left} records were not acknowledged"
    assert not failures, failures[0]


def read(bootstrap_servers: str, topic: str, partition: int = 0) -> list[Any]:
    """Every record that a partition holds now, oldest first."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "reads-only"})
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), 10)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
        records: list[Any] = []
        deadline = time.monotonic() + 30
        while end and (not records or records[-1].offset() < end - 1):
            assert time.monotonic() < deadline, f"{topic} does not come to its end"
            records += [each for each in consumer.consume(10_000, 0.1) if not each.error()]
        return records
    finally:
        consumer.close()
