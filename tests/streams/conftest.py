"""A broker with the product's topics, empty, and a store; for the tests of the stream's shell."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from deploy.topics import create_missing_topics
from schemas.topics import topics
from streams.clickhouse import Store, connect

PARTITIONS = 2


@pytest.fixture
def broker(kafka: str) -> Iterator[str]:
    """The bootstrap servers of a broker whose topics of the product are empty."""
    delete_topics(kafka)
    create_topics(kafka)
    yield kafka
    delete_topics(kafka)


def create_topics(bootstrap_servers: str) -> None:
    """Create the product's topics; returns when all of them answer."""
    wanted = topics(PARTITIONS)
    create_missing_topics(bootstrap_servers, wanted)
    partitions = [
        TopicPartition(topic.name, n) for topic in wanted for n in range(topic.partitions)
    ]
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "ready"})
    deadline = time.monotonic() + 30
    try:
        while True:
            try:
                consumer.committed(partitions[:1], timeout=5)
                for partition in partitions:
                    consumer.get_watermark_offsets(partition, 5)
                return
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
    finally:
        consumer.close()


def delete_topics(bootstrap_servers: str, *others: str) -> None:
    """Delete those of the product's topics, and of the others named, that are there."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    names = [*(topic.name for topic in topics()), *others]
    for deleted in admin.delete_topics(names, operation_timeout=30).values():
        try:
            deleted.result(30)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise


@pytest.fixture
def client(clickhouse_database: str) -> Iterator[Client]:
    """A client as the worker's is."""
    connected = connect(clickhouse_database, 30)
    yield connected
    connected.close()


@pytest.fixture
def store(client: Client) -> Store:
    """What the worker reads through."""
    return Store(client)
