"""Bytes to events: every rule that needs nothing but the value, alone and in batches.

The golden examples of every field's limits go through the decoder in `test_examples`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import pytest
from msgspec import UNSET

from schemas.events import MAX_EVENT_BYTES, UsageEvent
from streams.core.decode import Decoder, Rejected
from tests.streams.samples import event


def _fields(events: Sequence[UsageEvent | Rejected]) -> list[object]:
    """Events by their fields, because those of the fast path are of a twin type."""
    return [e if isinstance(e, Rejected) else msgspec.structs.asdict(e) for e in events]


_ALONE = Decoder()


def _one_by_one(values: Sequence[bytes | None]) -> list[object]:
    return _fields([_ALONE.one(value) for value in values])


def _sized(size: int) -> bytes:
    padded = event(note="")
    return padded.replace(b'"note": ""', b'"note": "%s"' % (b"x" * (size - len(padded))))


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        (None, "invalid_json", "the record has no value"),
        (b"", "invalid_json", "Input data was truncated"),
        (b" ", "invalid_json", "Input data was truncated"),
        (b"hello", "invalid_json", "JSON is malformed"),
        (b"[]", "invalid_json", "Expected `object`, got `array`"),
        (event() + event(), "invalid_json", "JSON is malformed"),
        (event()[:-1], "invalid_json", "Input data was truncated"),
        (event(sid="x\udcff").replace(b"\\udcff", b"\xff"), "invalid_json", ""),
        (_sized(MAX_EVENT_BYTES + 1), "too_large", "65537 bytes, limit 65536"),
        (event(event_id=None), "missing_field", "event_id: required"),
        (event(occurred_at=None), "missing_field", "occurred_at: required"),
        (event(sid=None), "missing_field", "message_sid: required"),
        (event(user_id=None), "missing_field", "user_id: required unless phone_number is given"),
        (event(direction=None), "missing_field", "direction: required for type message"),
        (event(type="status"), "missing_field", "status: required for type status"),
        (event(phone_number="+491"), "invalid_field", "phone_number: a message has it or user_id"),
        (event(segments=0), "invalid_field", "segments: Expected `int` >= 1"),
        (event(user_id="7"), "invalid_field", "user_id: Expected `int`, got `str`"),
        (event(status="lost"), "invalid_field", "status: Invalid enum value 'lost'"),
        (event(country_code="de"), "invalid_field", "country_code: must be ISO 3166 alpha-2"),
        (event(mcc_mnc="1234"), "invalid_field", "mcc_mnc: must be 5 or 6 digits"),
        (event(counterparty="49"), "invalid_field", "counterparty: must be E.164"),
        (event(price="1e3"), "invalid_field", "price: must be a decimal string"),
        (event(price="-1000000.000000000001"), "invalid_field", "price: must be a decimal"),
        (event(price_unit="usd"), "invalid_field", "price_unit: must be ISO 4217"),
        (event(occurred_at="yesterday"), "invalid_field", "occurred_at: must be RFC 3339"),
        (event(occurred_at="2026-02-29T00:00:00Z"), "invalid_field", "occurred_at: must be RFC"),
    ],
)
def test_rejections(value: bytes | None, reason: str, detail: str) -> None:
    alone = Decoder().one(value)
    assert isinstance(alone, Rejected), alone
    assert alone.reason == reason
    assert alone.detail.startswith(detail)
    decoder = Decoder()
    good = event()
    for _ in range(2):  # the second time the good event is known to the fast path
        events, _ = decoder.batch([good, value, good])
        assert _fields(events) == _one_by_one([good, value, good])


@pytest.mark.parametrize(
    "value",
    [
        _sized(MAX_EVENT_BYTES),
        event(type="status", status="read", direction=None),
        event(type="status", status="read", phone_number="+491"),
        event(user_id=None, phone_number="+491"),
        event(price="-1000000", price_unit="XYZ"),
        b"  " + event() + b"\n ",
        event().replace(b", ", b",\n"),
    ],
)
def test_accepted(value: bytes) -> None:
    decoder = Decoder()
    assert isinstance(decoder.one(value), UsageEvent)
    assert _fields(decoder.batch([value, value])[0]) == _one_by_one([value, value])


def test_a_body_and_unknown_fields_are_dropped() -> None:
    decoder = Decoder()
    decoder.one(event())
    for value in (event(body="secret", x=[{}]), event(body="secret", x=[{}], sid="SM2")):
        ((decoded,), _) = decoder.batch([value])
        assert "secret" not in repr(decoded)


def test_absent_is_not_null() -> None:
    decoded = Decoder().one(event())
    assert isinstance(decoded, UsageEvent)
    assert (decoded.phone_number, decoded.status) == (UNSET, UNSET)
    assert (decoded.price, decoded.processing_time_ms) == (None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.9999Z", 999),
        ("1970-01-01T00:00:00.999999999Z", 999),
        ("1970-01-01T00:00:00.000999999Z", 0),
        ("1970-01-01T00:00:00.001000000Z", 1),
        ("1970-01-01t00:00:00.1z", 100),
        ("1970-01-01 00:00:00.12Z", 120),
        ("1969-12-31T23:59:59.9999Z", -1),
        ("1969-12-31T23:59:59.0009Z", -1000),
        ("1970-01-01T05:45:00.000999999+05:45", 0),
        ("1970-01-01T00:00:00.9999+23:59", 999 - 1439 * 60_000),
        ("1969-12-31T20:30:00.5-03:30", 500),
        ("1970-01-01T00:00:00-00:00", 0),
        ("2024-02-29T12:00:00Z", 1_709_208_000_000),
        ("2026-03-01T13:00:00.123456789+01:00", 1_772_366_400_123),
        ("0001-01-01T00:00:00+23:59", -62_135_596_800_000 - 1439 * 60_000),
        ("9999-12-31T23:59:59.999999999-23:59", 253_402_300_799_999 + 1439 * 60_000),
    ],
)
def test_instants_are_truncated_to_milliseconds(text: str, expected: int) -> None:
    decoder = Decoder()
    value = event(occurred_at=text)
    for _ in range(2):  # strictly first, then through the memo
        ((decoded,), times) = decoder.batch([value])
        assert times == [expected]
        assert decoder.occurred_ms(decoded.occurred_at) == expected


def test_halves_of_known_times_make_known_times() -> None:
    decoder = Decoder()
    decoder.batch([event(occurred_at="2026-03-01T12:00:01.5Z")])
    decoder.batch([event(occurred_at="2026-03-01T12:30:00-01:00")])
    ((decoded,), times) = decoder.batch([event(occurred_at="2026-03-01T12:30:01.5Z")])
    assert not isinstance(decoded, Rejected)
    assert times == [1_772_366_400_000 + 30 * 60_000 + 1_500]


_E1, _E2 = event("SM1"), event("SM2")
_CUT = _E1.index(b' "user_id"')


@pytest.mark.parametrize(
    "values",
    [
        [b'{"sid":"a","x":"', b'"}', b'{"sid":"b"},{"sid":"EVIL"}'],
        [_E1 + b"\n" + _E2],
        [_E1 + b"\n", _E2],
        [_E1, b"\n" + _E2],
        [_E1 + _E2, _E1],
        [b"", _E1 + b"\n" + _E2],
        [_E1[:_CUT], _E1[_CUT:]],
        [_E1[:_CUT], _E1[_CUT:], _E2],
        [_E1[:_CUT] + b"\n", _E1[_CUT:], _E2],
        [None, _E1],
        [b'"', _E1, b'"'],
        [event(note="}"), event(note="{")],
    ],
)
def test_crafted_neighbours_change_nothing(values: list[bytes | None]) -> None:
    decoder = Decoder()
    decoder.batch([_E1, _E2])
    assert _fields(decoder.batch(values)[0]) == _one_by_one(values)


@pytest.mark.parametrize(
    "values",
    [
        [b" ", _E1 + _E2],
        [b"", _E1 + b" " + _E2],
        [_E1 + _E2, b"\t"],
        [_E1[:_CUT], _E1[_CUT:], _E1 + _E2],
        [_E1 + _E2, _E1[:_CUT], _E1[_CUT:]],
        [_E1[:-1] + b', "x":', b'{"y": 1}}', _E1 + _E2],
        [_E1[:-1] + b', "x": {"y": 1}', b', "z": 1}', _E1 + _E2],
        [_E1[:-1] + b', "x": [{}', b"{}]}", _E1 + _E2],
    ],
)
def test_crafted_neighbours_forge_nothing(values: list[bytes | None]) -> None:
    decoder = Decoder()
    decoder.batch([_E1, _E2])
    assert _fields(decoder.batch(values)[0]) == _one_by_one(values)


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


def _any_event(seeded: random.Random, number: int) -> bytes:
    return event(
        f"SM{number}",
        occurred_at=f"2026-03-0{seeded.randint(1, 9)}T12:{seeded.randrange(60):02d}:00.5Z",
        country_code=seeded.choice([None, "DE", "FR", "de"]),
        mcc_mnc=seeded.choice([None, "26201", "310410", "1"]),
        price=seeded.choice([None, "-0.0075", "0.01", "x"]),
        price_unit=seeded.choice([None, "USD", "EUR"]),
        counterparty=seeded.choice([None, "+4915112345678", "+1"]),
        segments=seeded.choice([None, 1, 2, 200]),
        processing_time_ms=seeded.choice([None, 1, 2.5, -1]),
        direction=seeded.choice([None, *["inbound", "outbound-api"] * 5]),
    )


@pytest.mark.parametrize("share_of_damage", [0.0, 0.003, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_a_batch_is_its_records(seed: int, share_of_damage: float) -> None:
    seeded = random.Random(seed)
    decoder = Decoder()
    for _ in range(40):
        values: list[bytes | None] = [
            _any_event(seeded, number) for number in range(seeded.randint(1, 60))
        ]
        for index, value in enumerate(values):
            if value is not None and seeded.random() < share_of_damage:
                values[index] = _damaged(seeded, value)
        events, times = decoder.batch(values)
        assert _fields(events) == _one_by_one(values)
        assert times == [
            0 if isinstance(e, Rejected) else decoder.occurred_ms(e.occurred_at) for e in events
        ]


def test_an_empty_batch() -> None:
    assert Decoder().batch([]) == ([], [])


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
        assert _fields(decoder.batch(values)[0]) == _one_by_one(values)
        memos = [memo for memo in vars(decoder).values() if isinstance(memo, dict | set)]
        assert len(memos) >= 6
        # Forgotten at the start of a batch, which then adds at most one text an event, and two
        # that always stay.
        assert max(map(len, memos)) <= limit + size + 2
