"""Reads the state that an engine keeps in a changelog topic: the last value of each key."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from bench.engines.traffic import Cells, Counters

Decode = Callable[[bytes, bytes], tuple[str, Counters]]
_TIMEOUT_S = 20.0


def read(bootstrap: str, topic: str, decode: Decode) -> Cells:
    """The cells of a changelog.

    Counters only grow, so of several values of a cell the one with most messages is the last,
    also where an engine has written a cell to more than one partition.
    """
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "bench-changelog", "enable.auto.commit": False}
    )
    try:
        numbers = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions
        ends = {
            number: consumer.get_watermark_offsets(TopicPartition(topic, number), _TIMEOUT_S)[1]
            for number in numbers
        }
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in numbers])
        cells: Cells = {}
        while any(_position(consumer, topic, number) < end for number, end in ends.items()):
            for message in consumer.consume(10_000, 0.5):
                key, value = message.key(), message.value()
                if message.error() is None and key is not None and value is not None:
                    cell, counters = decode(key, value)
                    cells[cell] = max(cells.get(cell, counters), counters)
        return cells
    finally:
        consumer.close()


def _position(consumer: Consumer, topic: str, number: int) -> int:
    (place,) = consumer.position([TopicPartition(topic, number)])
    return max(0, int(place.offset))


def drop(bootstrap: str, prefix: str) -> None:
    """Delete the topics of a run, so that the next ones have the broker to themselves."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    names = [name for name in admin.list_topics(timeout=_TIMEOUT_S).topics if prefix in name]
    for future in (
        admin.delete_topics(names, operation_timeout=_TIMEOUT_S).values() if names else ()
    ):
        future.result()
