"""Dead letters from the command line: list them, send them again, set a record aside."""

from __future__ import annotations

import getpass
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from confluent_kafka import KafkaError, Message, Producer

from schemas.settings import Settings
from schemas.topics import DEAD_LETTERS, USAGE, USAGE_MAX_BYTES
from schemas.units import source
from streams.clickhouse import Store, connect
from streams.compacted import read_to_end


class Letter(NamedTuple):
    """A dead letter: where it came from, why it is here, and its own key and bytes."""

    partition: int
    offset: int
    reason: str
    detail: str
    failed_at: str
    key: bytes | None
    value: bytes | None


def letters(bootstrap_servers: str, reasons: Collection[str] = ()) -> Iterator[Letter]:
    """Dead letters, oldest first, each source position once; only of `reasons` if given.

    After a crash a record may lie in the topic twice; its identity is its source position. A
    topic that was made anew counts from 0 again, so the bytes tell two records of one place apart.
    """
    seen: set[tuple[int, int, bytes | None, bytes | None]] = set()
    for record in read_to_end(bootstrap_servers, DEAD_LETTERS):
        headers = {name: (value or b"").decode() for name, value in record.headers() or ()}
        place = (int(headers["source_partition"]), int(headers["source_offset"]))
        identity = (*place, record.key(), record.value())
        if identity in seen or (reasons and headers["reason"] not in reasons):
            continue
        seen.add(identity)
        yield Letter(
            *place,
            headers["reason"],
            headers["detail"],
            headers["failed_at"],
            record.key(),
            record.value(),
        )


def replay(bootstrap_servers: str, reasons: Collection[str] = ()) -> int:
    """Publish dead letters to the usage topic again, bytes unchanged; returns how many.

    Raises ConnectionError unless every one was acknowledged. What is still wrong comes back as a
    dead letter; what was counted meanwhile is a duplicate.
    """
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "message.max.bytes": USAGE_MAX_BYTES,
        }
    )
    failures: list[KafkaError] = []

    def on_delivery(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failures.append(error)

    count = 0
    for letter in letters(bootstrap_servers, reasons):
        producer.produce(USAGE, key=letter.key, value=letter.value, on_delivery=on_delivery)
        producer.poll(0)
        count += 1
    if producer.flush(60) or failures:
        raise ConnectionError(f"not every record was acknowledged: {failures[:1]}")
    return count


def quarantine(settings: Settings, partition: int, offset: int, reason: str) -> None:
    """Have the worker send one record to the dead letters unread, when it next starts.

    The row that says so, with the name of the operator, is kept as the audit of it.
    """
    client = connect(settings.clickhouse_url, 30)
    epoch = Store(client).epoch()
    client.insert(
        "quarantine",
        [[source(epoch, partition), offset, getpass.getuser(), reason, datetime.now(UTC)]],
        column_names=["source", "offset", "requested_by", "reason", "requested_at"],
    )
