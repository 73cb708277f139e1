"""Dead letters: own key and bytes, all the headers, and acknowledged before `send` returns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.topics import DEAD_LETTER_HEADERS, DEAD_LETTERS, USAGE_MAX_BYTES
from streams.dead_letters import DeadLetterProducer
from streams.working_set import DeadLetter
from tests.streams.records import read

pytestmark = pytest.mark.live


def _letter(offset: int, **fields: Any) -> DeadLetter:
    letter = DeadLetter(3, offset, b"7", b"{", "invalid_json", "truncated")
    return letter._replace(**fields)


def test_a_letter_is_its_record_and_why(broker: str) -> None:
    DeadLetterProducer(broker).send([_letter(2**47)])
    (record,) = read(broker, DEAD_LETTERS)
    assert (record.key(), record.value()) == (b"7", b"{")
    headers = dict(record.headers())
    assert list(headers) == list(DEAD_LETTER_HEADERS)
    failed_at = datetime.fromisoformat(headers.pop("failed_at").decode())
    assert timedelta(0) <= datetime.now(UTC) - failed_at < timedelta(minutes=1)
    assert headers == {
        "reason": b"invalid_json",
        "detail": b"truncated",
        "source_topic": b"sms.usage.v1",
        "source_partition": b"3",
        "source_offset": str(2**47).encode(),
    }


def test_any_bytes_are_kept(broker: str) -> None:
    letters = [
        _letter(0, key=None, value=None),
        _letter(1, key=b"", value=b""),
        _letter(2, key=b"\x00\xff", value=bytes(range(256))),
        _letter(3, detail="é\U0001f600\n"),
        _letter(4, value=bytes(USAGE_MAX_BYTES - 100)),
        _letter(5, key=b"k" * 10_000, value=b"x" * 20_000_000),
        _letter(6, detail="d" * 70_000),
    ]
    DeadLetterProducer(broker).send(letters)
    records = read(broker, DEAD_LETTERS)
    assert [(record.key(), record.value()) for record in records] == [
        (letter.key, letter.value) for letter in letters
    ]
    assert [dict(record.headers())["detail"].decode() for record in records] == [
        letter.detail for letter in letters
    ]


def test_many_letters_are_all_acknowledged(broker: str) -> None:
    letters = [_letter(offset) for offset in range(101_000)]  # more than librdkafka queues
    DeadLetterProducer(broker).send(letters)
    offsets = [
        int(dict(record.headers())["source_offset"]) for record in read(broker, DEAD_LETTERS)
    ]
    assert offsets == list(range(101_000))


def test_no_letters(broker: str) -> None:
    DeadLetterProducer(broker).send([])
    assert read(broker, DEAD_LETTERS) == []
