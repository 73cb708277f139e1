"""A batch of any records is decoded as each of them alone is, damaged ones and memos included."""

from __future__ import annotations

import random
from typing import Any

import pytest

from streams.core.decode import Decoder
from streams.core.strict import PATTERNS, Rejected
from tests.streams.core.events import Plain, by_columns, one_by_one
from tests.streams.samples import event

_ALONE = Decoder()


def _damaged(seeded: random.Random, value: bytes) -> bytes | None:
    cut = seeded.randrange(len(value))
    return seeded.choice(
        [
            None,
            b"",
            b" \n",
            value[:cut],
            value[cut:],
            value[:cut] + b"\n" + value[cut:],
            value[:cut] + bytes([seeded.randrange(256)]) + value[cut + 1 :],
            value.replace(b", ", b",\n"),
            value + b"\n" + value,
            b"\xef\xbb\xbf" + value,
        ]
    )


_FIELDS: dict[str, tuple[list[Any], list[Any]]] = {
    "type": ([None] * 9 + ["status"], ["other"]),
    "status": ([None, "sent", "read"], ["lost", ""]),
    "error_code": ([None, 0, -(2**31), 2**31 - 1], [2**31, "1"]),
    "encoding": ([None, "GSM-7", "UCS-2"], [""]),
    "message_type": ([None, "sms", "mms"], ["x"]),
    "body_length": ([None, 0, 65535], [65536, -1]),
    "country_code": ([None, "DE", "FR"], ["de", "", "D\n"]),
    "mcc_mnc": ([None, "26201", "310410"], ["1", ""]),
    "price": ([None, "-0.0075", "0.01", "0"], ["x", "", "0.01\n"]),
    "price_unit": ([None, "USD", "EUR"], ["usd", ""]),
    "counterparty": ([None, "+4915112345678", "+12"], ["+1", "", "+0"]),
    "segments": ([None, 1, 2, 100], [0, 101]),
    "num_media": ([None, 0, 10], [11]),
    "non_gsm_characters": ([None, 0, 65535], [65536]),
    "processing_time_ms": ([None, 0, 1, 2.5, 0.0005, 86_400_000], [-1, "1"]),
    "direction": (["inbound", "outbound-api"], ["up", None, ""]),
}
"""What is valid of each field, and what is not; None leaves it out."""
_USERS: tuple[list[dict[str, Any]], list[dict[str, Any]]] = (
    [
        {"user_id": 1},
        {"user_id": 2**53 - 1},
        {"user_id": None, "phone_number": "+4915112345678"},
        {"type": "status", "status": "read", "phone_number": "+4915112345678"},
    ],
    [
        {"user_id": 0},
        {"user_id": None},
        {"user_id": None, "phone_number": "+0"},
        {"user_id": None, "phone_number": ""},
        {"type": "message", "phone_number": "+4915112345678"},
    ],
)


def _any_event(seeded: random.Random, number: int) -> bytes:
    def pick(choices: tuple[list[Any], list[Any]]) -> Any:
        return seeded.choice(choices[seeded.random() < 0.015])

    second = f"2026-03-0{seeded.randint(1, 9)}T12:{seeded.randrange(60):02d}:00"
    rests = ["Z", ".5Z", ".5+01:00", f".{seeded.randrange(10**9):09d}Z"], [".Z", "", ".5", "+1"]
    fields = {name: pick(choices) for name, choices in _FIELDS.items()}
    fields |= {"event_id": "E", "occurred_at": second + pick(rests)} | pick(_USERS)
    return event(pick(([f"SM{number}", "é" * 64], ["x" * 65, ""])), **fields)


@pytest.mark.parametrize("share_of_damage", [0.0, 0.003, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_a_batch_is_its_records(seed: int, share_of_damage: float) -> None:
    seeded = random.Random(seed)
    decoder = Decoder()
    accepted = rejected = 0
    for _ in range(40):
        values: list[bytes | None] = [
            _any_event(seeded, number) for number in range(seeded.randint(1, 60))
        ]
        for index, value in enumerate(values):
            if value is not None and seeded.random() < share_of_damage:
                values[index] = _damaged(seeded, value)
        found = by_columns(decoder, values)
        assert found == one_by_one(_ALONE, values)
        accepted += sum(isinstance(each, Plain) for each in found)
        rejected += sum(isinstance(each, Rejected) for each in found)
    assert accepted > 500
    assert rejected > 100


def test_an_empty_batch() -> None:
    assert by_columns(Decoder(), []) == []


def test_memos_are_bounded_and_only_cost_time() -> None:
    seeded = random.Random(1)
    limit, size = 20, 50
    decoder = Decoder(memo_limit=limit)
    for number in range(60):
        values = [
            event(
                f"SM{number}",
                occurred_at=f"20{seeded.randint(10, 30)}-03-01T12:{seeded.randrange(60):02d}:"
                f"00.{seeded.randrange(1000):03d}Z",
                country_code=f"{chr(65 + seeded.randrange(26))}{chr(65 + seeded.randrange(26))}",
                mcc_mnc=f"{seeded.randrange(100_000):05d}",
                price=f"0.{seeded.randrange(10**6):06d}",
                counterparty=f"+49{seeded.randrange(10**9)}",
            )
            for _ in range(size)
        ]
        assert by_columns(decoder, values) == one_by_one(_ALONE, values)
        memos = _memos(decoder)
        assert len(memos) >= 5
        # Forgotten at the start of a batch, which then adds at most one text an event, and two
        # that always stay.
        assert max(map(len, memos)) <= limit + size + 2
        assert len(decoder.shapes.table) <= 1024


def _memos(owner: object) -> list[dict[Any, Any] | set[Any]]:
    """The dictionaries and sets of an object and of the objects that it has."""
    found: list[dict[Any, Any] | set[Any]] = []
    for value in vars(owner).values():
        if isinstance(value, dict | set):
            found.append(value)
        elif type(value).__module__.startswith("streams.core"):
            found += [memo for memo in _memos(value) if memo is not PATTERNS]
    return found
