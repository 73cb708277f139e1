"""Records read by librdkafka's own functions are those that confluent-kafka makes objects of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError

from schemas.topics import USAGE
from streams.librdkafka import Failure, RawConsumer, Records
from tests.streams.records import read, send

Start = Callable[[Mapping[int, int]], RawConsumer]


def _settings(broker: str) -> dict[str, str | int]:
    return {
        "bootstrap.servers": broker,
        "group.id": "raw",
        "enable.auto.commit": "false",
        "auto.offset.reset": "error",
    }


@pytest.fixture
def start(broker: str) -> Iterator[Start]:
    """Makes consumers of partitions of the usage topic; they are closed at the end."""
    made = []

    def begin(offsets: Mapping[int, int]) -> RawConsumer:
        made.append(RawConsumer(_settings(broker), 100))
        made[-1].assign(USAGE, offsets)
        return made[-1]

    yield begin
    for consumer in made:
        consumer.close()


def _read(consumer: RawConsumer, count: int) -> dict[int, list[tuple[object, ...]]]:
    """So many records, by partition: offset, key, value, timestamp."""
    found: dict[int, list[tuple[object, ...]]] = {}
    deadline = time.monotonic() + 20
    while sum(map(len, found.values())) < count:
        assert time.monotonic() < deadline, f"{found} is all that came"
        records, failures = consumer.consume(0.1)
        assert not failures
        for each in records:
            found.setdefault(each.partition, []).extend(_plain(each))
    return found


def _plain(records: Records) -> Iterator[tuple[object, ...]]:
    columns = records.offsets.tolist(), records.keys, records.values, records.timestamps.tolist()
    return zip(*columns, strict=True)


@pytest.mark.live
def test_records_are_what_was_sent(broker: str, start: Start) -> None:
    sent: list[tuple[bytes | None, bytes | None]] = [
        (b"7", b"{}"), (None, b"no key"), (b"tombstone", None), (None, None), (b"", b""),
        *((b"%d" % n, b"x" * n) for n in range(300)),
    ]  # fmt: skip
    send(broker, sent, partition=0)
    send(broker, sent[:3], partition=1, **{"compression.type": "lz4"})
    found = _read(start({0: OFFSET_BEGINNING, 1: OFFSET_BEGINNING}), len(sent) + 3)
    for partition in (0, 1):
        assert found[partition] == [
            (record.offset(), record.key(), record.value(), record.timestamp()[1])
            for record in read(broker, USAGE, partition)
        ]
    assert [record[1:3] for record in found[0]] == sent


@pytest.mark.live
def test_reading_begins_where_it_is_told_and_ends_when_it_is(broker: str, start: Start) -> None:
    send(broker, [(None, b"%d" % n) for n in range(10)])
    consumer = start({0: 7})
    assert [record[2] for record in _read(consumer, 3)[0]] == [b"7", b"8", b"9"]
    consumer.unassign()
    send(broker, [(None, b"later")])
    assert consumer.consume(0.5) == ([], [])
    consumer.assign(USAGE, {0: 10})
    assert [record[2] for record in _read(consumer, 1)[0]] == [b"later"]


@pytest.mark.live
def test_an_offset_outside_of_the_log_is_a_failure(broker: str, start: Start) -> None:
    send(broker, [(None, b"one")])
    consumer = start({0: 99})
    failures: list[Failure] = []
    deadline = time.monotonic() + 20
    while not failures and time.monotonic() < deadline:
        records, failures = consumer.consume(0.1)
        assert not records
    (failure,) = failures
    assert (failure.partition, failure.error.code()) == (0, KafkaError._AUTO_OFFSET_RESET)
    assert "out of range" in failure.error.str().lower()


def test_a_setting_that_librdkafka_does_not_know_is_named() -> None:
    with pytest.raises(ValueError, match=r"no\.such\.setting"):
        RawConsumer({"no.such.setting": 1}, 10)
