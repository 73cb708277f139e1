"""Offsets are told again after a broker's restart, which raises the epochs of its leaders."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from deploy.local import kafka
from deploy.local.ports import free_port
from schemas.topics import USAGE
from streams.offsets import Offsets
from tests.streams.conftest import create_topics
from tests.streams.records import send

_WITHIN_S = 30.0


def _asked(offsets: Offsets) -> list[int]:
    asked = {TopicPartition(USAGE, number): OffsetSpec.latest() for number in (0, 1)}
    return sorted(offsets.of(asked).values())


@pytest.mark.live
def test_a_restarted_broker_answers_again(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "kafka.log"
    bootstrap, offsets = f"127.0.0.1:{port}", Offsets(f"127.0.0.1:{port}")
    broker = kafka.start(tmp_path / "kafka", port, log, lambda _: None)
    try:
        create_topics(bootstrap)
        send(bootstrap, [(b"7", b"{}")] * 3)
        assert _asked(offsets) == [0, 3]
        assert offsets.of({}) == {}
        broker.kill()
        broker = kafka.start(tmp_path / "kafka", port, log, lambda _: None)
        deadline = time.monotonic() + _WITHIN_S
        while True:
            try:
                assert _asked(offsets) == [0, 3]
                return
            except KafkaException:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    finally:
        broker.kill()
