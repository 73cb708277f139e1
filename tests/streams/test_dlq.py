"""Dead letters from the command line: each once, sent again unchanged, records set aside."""

from __future__ import annotations

import getpass

import pytest
from clickhouse_connect.driver.client import Client

from schemas.settings import Settings
from schemas.topics import DEAD_LETTERS, USAGE
from schemas.units import source
from streams.clickhouse import Store
from streams.dead_letters import DeadLetterProducer
from streams.dlq import Letter, letters, quarantine, replay
from streams.working_set import DeadLetter
from tests.streams.records import read

pytestmark = pytest.mark.live

_FIRST = DeadLetter(0, 5, b"7", b"{", "invalid_json", "truncated")
_SECOND = DeadLetter(1, 5, None, None, "invalid_json", "no value")
_THIRD = DeadLetter(0, 6, b"\xff", b"\x00", "invalid_key", "key: é")


@pytest.fixture
def dead(broker: str) -> str:
    """A broker with three dead letters, two of them twice, as after a crash."""
    producer = DeadLetterProducer(broker)
    producer.send([_FIRST, _SECOND, _FIRST._replace(detail="again")])
    producer.send([_SECOND, _THIRD])
    return broker


def _letter(sent: DeadLetter, failed_at: str) -> Letter:
    return Letter(
        sent.partition, sent.offset, sent.reason, sent.detail, failed_at, sent.key, sent.value
    )


def test_letters_are_listed_once_each(dead: str) -> None:
    listed = list(letters(dead))
    sent = [_FIRST, _SECOND, _THIRD]
    assert listed == [_letter(s, each.failed_at) for s, each in zip(sent, listed, strict=True)]
    assert all(each.failed_at.endswith("+00:00") for each in listed)


def test_records_of_one_place_in_two_epochs_are_two_letters(dead: str) -> None:
    DeadLetterProducer(dead).send([_FIRST._replace(value=b"{ of a topic made anew")])
    values = [each.value for each in letters(dead) if each.offset == _FIRST.offset]
    assert values == [_FIRST.value, _SECOND.value, b"{ of a topic made anew"]


def test_letters_of_a_reason(dead: str) -> None:
    assert [each.offset for each in letters(dead, ["invalid_key"])] == [6]
    assert [each.partition for each in letters(dead, {"invalid_json", "too_old"})] == [0, 1]
    assert list(letters(dead, ["too_old"])) == []


def test_no_letters(broker: str) -> None:
    assert list(letters(broker)) == []
    assert replay(broker) == 0


def test_letters_are_replayed_once_and_unchanged(dead: str) -> None:
    assert replay(dead) == 3
    sent = [(r.key(), r.value()) for p in (0, 1) for r in read(dead, USAGE, p)]
    assert sorted(sent, key=repr) == sorted(
        [(each.key, each.value) for each in (_FIRST, _SECOND, _THIRD)], key=repr
    )
    assert len(read(dead, DEAD_LETTERS)) == 5  # they stay where they are


def test_only_letters_of_a_reason_are_replayed(dead: str) -> None:
    assert replay(dead, ["invalid_key"]) == 1
    (record,) = read(dead, USAGE, 0) + read(dead, USAGE, 1)
    assert (record.key(), record.value()) == (_THIRD.key, _THIRD.value)


def test_a_record_is_set_aside_in_the_present_epoch(
    clickhouse_database: str, client: Client, store: Store
) -> None:
    client.insert(
        "source_progress",
        [[source(2, 0), 1, "id", 8]],
        column_names=["source", "next_offset", "topic_id", "partitions"],
    )
    settings = Settings(clickhouse_url=clickhouse_database)
    quarantine(settings, 3, 2**40, "it ends the worker")
    quarantine(settings, 3, 2**40, "it ends the worker")
    assert store.quarantined(source(2, 3)) == {2**40: "it ends the worker"}
    ((asked_by, age_s),) = client.query(
        "SELECT requested_by, dateDiff('second', requested_at, now64(3)) FROM quarantine FINAL"
    ).result_rows
    assert asked_by == getpass.getuser()
    assert 0 <= age_s < 60
