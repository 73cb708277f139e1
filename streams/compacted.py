"""Compacted topics from the command line: load a file into one, show what one holds.

Also reads the dead-letter topic to its end, which is the same motion.
"""

from __future__ import annotations

import csv
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from schemas.events import PhoneNumber, UserId
from schemas.topics import USER_PHONES

_TIMEOUT_S = 15.0


class _Phone(msgspec.Struct):
    phone_number: PhoneNumber
    user_id: UserId


def read_to_end(bootstrap_servers: str, topic: str) -> Iterator[Any]:
    """Every record that a one-partition topic holds now, oldest first."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"sms-analytics-show-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), _TIMEOUT_S)
        position = low
        while position < high:
            for record in consumer.consume(10_000, 0.1):
                if record.error() is None:
                    position = record.offset() + 1
                    yield record
                else:
                    position = max(position, record.offset())
    finally:
        consumer.close()


def show(bootstrap_servers: str, topic: str) -> dict[str, bytes]:
    """The newest value of every key of a compacted topic; removed keys are not in it."""
    values: dict[str, bytes] = {}
    for record in read_to_end(bootstrap_servers, topic):
        key = (record.key() or b"").decode(errors="replace")
        if record.value() is None:
            values.pop(key, None)
        else:
            values[key] = record.value()
    return values


def publish(bootstrap_servers: str, topic: str, records: Mapping[str, bytes]) -> int:
    """Write records to a compacted topic, all acknowledged; returns how many."""
    producer = Producer(
        {"bootstrap.servers": bootstrap_servers, "acks": "all", "enable.idempotence": True}
    )
    failures: list[Any] = []
    for key, value in records.items():
        producer.produce(
            topic,
            key=key,
            value=value,
            on_delivery=lambda error, _: failures.append(error) if error else None,
        )
        producer.poll(0)
    if producer.flush(60) or failures:
        raise ConnectionError(f"{topic}: not every record was acknowledged {failures[:1]}")
    return len(records)


def load_phones(bootstrap_servers: str, path: Path) -> int:
    """Publish a CSV file with the columns `phone_number,user_id`; returns the number of rows.

    Raises ValueError naming the line of the first row that is not valid; then nothing is sent.
    """
    records: dict[str, bytes] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        for row in reader:
            try:
                phone = msgspec.convert(row, _Phone, strict=False)
            except msgspec.ValidationError as error:
                raise ValueError(f"{path} line {reader.line_num}: {error}") from None
            records[phone.phone_number] = b'{"user_id":%d}' % phone.user_id
    return publish(bootstrap_servers, USER_PHONES, records)
