"""Advice about a handful of messages, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle.advice import advice, segments
from tests.oracle.messages import Message
from tests.oracle.numbers import keyed_hash
from tests.oracle.test_answers import message

KEY = "key"


def _saved(*messages: Message) -> dict[str, int]:
    return {one["code"]: one["estimated_saving_micros"] for one in advice(list(messages), KEY)}


@pytest.mark.parametrize(
    ("characters", "encoding", "count"),
    [
        (160, "GSM-7", 1),
        (161, "GSM-7", 2),
        (306, "GSM-7", 2),
        (307, "GSM-7", 3),
        (70, "UCS-2", 1),
        (71, "UCS-2", 2),
        (134, "UCS-2", 2),
        (135, "UCS-2", 3),
    ],
)
def test_segments(characters: int, encoding: str, count: int) -> None:
    assert segments(characters, encoding) == count


@pytest.mark.parametrize(
    ("fields", "saved"),
    [
        ({"encoding": "UCS-2", "non_gsm_characters": 3, "body_length": 110}, 4_500),
        ({"encoding": "UCS-2", "non_gsm_characters": 4, "body_length": 110}, None),
        ({"encoding": "UCS-2", "non_gsm_characters": 0, "body_length": 110}, None),
        ({"encoding": "UCS-2", "non_gsm_characters": 1, "body_length": 161}, None),
        ({"encoding": "UCS-2", "non_gsm_characters": 1, "direction": "inbound"}, None),
    ],
)
def test_few_characters_that_force_ucs2(fields: dict[str, Any], saved: int | None) -> None:
    text = message(**{"segments": 2, "base": 9_000, "body_length": 80, **fields})
    assert _saved(text).get("ucs2_characters") == saved


@pytest.mark.parametrize(("length", "saved"), [(170, 4_500), (171, None), (161, 4_500)])
def test_a_few_characters_too_many(length: int, saved: int | None) -> None:
    text = message(segments=2, base=9_000, body_length=length, encoding="GSM-7")
    assert _saved(text).get("segment_boundary") == saved


def test_mms_without_media() -> None:
    sms = message(base=8_000)
    empty = message(message_type="mms", base=22_000, body_length=200)
    full = message(message_type="mms", base=22_000, num_media=1)
    assert _saved(sms, empty, full) == {"mms_without_media": 22_000 - 2 * 8_000}
    assert _saved(sms, empty) == {}
    assert _saved(empty, full) == {}


def test_numbers_that_always_fail() -> None:
    def tries(*statuses: str) -> list[Message]:
        return [message(status=s, counterparty="+4915112345678", base=5_000) for s in statuses]

    (found,) = advice(tries("undelivered", "failed", "undelivered", "sent"), KEY)
    assert found["estimated_saving_micros"] == 20_000
    assert found["message"] == [4, 1, 3]
    assert found["evidence"]["top_numbers"] == [
        {
            "counterparty_hash": keyed_hash("+4915112345678", KEY),
            "country_code": "US",
            "messages": 4,
            "cost_micros": 20_000,
        }
    ]
    assert advice(tries("undelivered", "undelivered"), KEY) == []
    assert advice(tries("undelivered", "undelivered", "undelivered", "delivered"), KEY) == []


def test_fees_and_countries() -> None:
    fee = message(status="failed", base=0, failed_fee=1_000, error_code=30005)
    assert _saved(fee) == {"failed_fees": 1_000}
    usual = [message(base=1_000) for _ in range(20)]
    dear = [message(country="ID", base=4_000, segments=2) for _ in range(10)]
    assert _saved(*usual, *dear) == {"expensive_country": 20_000}
    assert _saved(*usual, *dear[1:]) == {}
    short = [message(country="ID", base=4_000) for _ in range(10)]
    assert _saved(*usual, *short) == {"expensive_country": 0}
