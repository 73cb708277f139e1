"""What the simulator sends arrives as the ledger says: on a real broker, also after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from deploy.local.ports import free_port
from deploy.simulate import delivery
from deploy.simulate.ledger import read_ledger
from deploy.simulate.records import Record
from deploy.simulate.router import Shares
from deploy.simulate.run import Run, again
from deploy.topics import create_missing_topics
from schemas.topics import USAGE, USER_PHONES, topics

NOW_MS = 1_795_000_000_000
Pair = tuple[bytes | None, bytes | None]


@pytest.fixture(autouse=True)
def _keep_signal_handlers() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def broker(kafka: str, monkeypatch: pytest.MonkeyPatch) -> str:
    create_missing_topics(kafka, topics())
    monkeypatch.setattr(delivery, "MAPPING_LEAD_S", 0.0)
    return kafka


def _end(consumer: Consumer, partition: TopicPartition) -> int:
    """The end of a partition, once its leader of a new topic answers for it."""
    for _ in range(100):
        try:
            return int(consumer.get_watermark_offsets(partition, 10)[1])
        except KafkaException:
            time.sleep(0.1)
    raise AssertionError(f"{partition} has no leader")


def ends(servers: str, topic: str) -> dict[int, int]:
    """The next offset of each partition."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "test"})
    try:
        partitions = consumer.list_topics(topic, 10).topics[topic].partitions
        return {number: _end(consumer, TopicPartition(topic, number)) for number in partitions}
    finally:
        consumer.close()


def arrived(servers: str, topic: str, since: dict[int, int]) -> list[Pair]:
    """Key and value of every record since those offsets, in order within a partition."""
    until = ends(servers, topic)
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "test", "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(topic, number, since[number]) for number in since])
    left = sum(until.values()) - sum(since.values())
    found: list[Pair] = []
    while len(found) < left:
        found += [(record.key(), record.value()) for record in consumer.consume(1000, 0.1)]
    consumer.close()
    return found


def sent(path: Path) -> list[Pair]:
    return [pair_of(record) for record in read_ledger(path) if record.kind != "mapping"]


def pair_of(record: Record) -> Pair:
    value = record.value.encode() if isinstance(record.value, str) else record.value
    return (None if record.key is None else record.key.encode(), value)


def by_key(pairs: list[Pair]) -> dict[bytes, list[bytes | None]]:
    found: dict[bytes, list[bytes | None]] = {}
    for key, value in pairs:
        if key:
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.live
def test_kafka_holds_what_the_ledger_says_and_a_replay_sends_it_again(
    broker: str, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.ndjson"
    shares = Shares(duplicates=0.05, late=0.02, poison=0.05, receipts=0.2)
    batches = Run(seed=2, users=60, shares=shares, shuffle=50, days=1, events=4_000).batches(NOW_MS)
    since, phones_since = ends(broker, USAGE), ends(broker, USER_PHONES)
    assert delivery.deliver(batches, path, broker, linger_ms=5) == 0
    first = arrived(broker, USAGE, since)
    assert len(first) == 4_000
    # Keys without any bytes have no partition of their own, so only their number is certain.
    assert by_key(first) == by_key(sent(path))
    assert Counter(first) == Counter(sent(path))
    mappings = [pair_of(record) for record in read_ledger(path) if record.kind == "mapping"]
    assert mappings
    assert arrived(broker, USER_PHONES, phones_since) == mappings

    since = ends(broker, USAGE)
    assert delivery.deliver(again(read_ledger(path)), None, broker, linger_ms=5) == 0
    assert by_key(arrived(broker, USAGE, since)) == by_key(first)


@pytest.mark.live
def test_what_a_killed_simulator_sent_is_in_its_ledger(broker: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.ndjson"
    since = ends(broker, USAGE)
    simulator = subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", "simulate", "--rate", "5000", "--ledger", str(path)],
        env=os.environ | {"SMS_KAFKA_URL": f"kafka://{broker}"},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while sum(ends(broker, USAGE).values()) < sum(since.values()) + 5_000:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    simulator.kill()
    simulator.wait()
    missing = Counter(arrived(broker, USAGE, since)) - Counter(sent(path))
    assert not missing


def test_a_stop_without_a_broker_says_what_was_not_delivered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(delivery, "GRACE_S", 0.2)
    record = Record("1", "{}", "message", 1)

    def one_then_stop() -> Iterator[list[list[Record]]]:
        yield [[record]]
        os.kill(os.getpid(), signal.SIGTERM)
        yield []

    servers = f"127.0.0.1:{free_port()}"
    assert delivery.deliver(one_then_stop(), None, servers, linger_ms=5) == 1
    assert "1 records could not be delivered" in capsys.readouterr().err


def test_a_stop_between_ledger_and_sending_is_no_reason_not_to_send(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(delivery, "GRACE_S", 0.2)

    def stop_then_one() -> Iterator[list[list[Record]]]:
        os.kill(os.getpid(), signal.SIGTERM)
        yield [[Record("1", "{}", "message", 1)]]

    servers, path = f"127.0.0.1:{free_port()}", tmp_path / "ledger.ndjson"
    assert delivery.deliver(stop_then_one(), path, servers, linger_ms=5) == 1
    assert len(list(read_ledger(path))) == 1
    assert "1 records could not be delivered" in capsys.readouterr().err
