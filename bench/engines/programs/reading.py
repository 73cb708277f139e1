"""The ceilings: records are read and counted, and offsets committed, by `aiokafka` or `librdkafka`.

Each worker has its share of the partitions; no rebalance is measured.
"""

import asyncio
import sys
import time

from usage_event import BOOTSTRAP, GROUP, PARTITIONS, TOPIC, WORKER, WORKERS, began

AT_ONCE = 10_000
COMMIT_S = 1.0


def mine():
    """The partitions of this worker."""
    return range(WORKER, PARTITIONS, WORKERS)


def librdkafka():
    """Read by confluent-kafka."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": GROUP,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "fetch.queue.backoff.ms": 5,
        }
    )
    consumer.assign([TopicPartition(TOPIC, number, OFFSET_BEGINNING) for number in mine()])
    nexts, committed = {}, time.monotonic()
    while True:
        for message in consumer.consume(AT_ONCE, 0.1):
            began()
            nexts[message.partition()] = message.offset() + 1
        if nexts and time.monotonic() - committed > COMMIT_S:
            committed = time.monotonic()
            offsets = [TopicPartition(TOPIC, number, at) for number, at in nexts.items()]
            consumer.commit(offsets=offsets, asynchronous=False)


async def aiokafka():
    """Read by aiokafka."""
    from aiokafka import AIOKafkaConsumer, TopicPartition

    consumer = AIOKafkaConsumer(
        bootstrap_servers=BOOTSTRAP,
        group_id=GROUP,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    consumer.assign([TopicPartition(TOPIC, number) for number in mine()])
    committed = time.monotonic()
    while True:
        if await consumer.getmany(timeout_ms=100, max_records=AT_ONCE):
            began()
        if time.monotonic() - committed > COMMIT_S:
            committed = time.monotonic()
            await consumer.commit()


if __name__ == "__main__":
    librdkafka() if sys.argv[1] == "librdkafka" else asyncio.run(aiokafka())
