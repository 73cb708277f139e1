"""Bytes to events: every rule that needs nothing but the value, alone and in batches.

The golden examples of every field's limits go through the decoder in `test_examples`.
"""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import UNSET

from schemas.events import MAX_EVENT_BYTES, UsageEvent
from streams.core.decode import Decoder
from streams.core.strict import Rejected
from tests.streams.core.events import Plain, by_columns, one_by_one
from tests.streams.samples import event

_ALONE = Decoder()


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
        values = [good, value, good]
        assert by_columns(decoder, values) == one_by_one(_ALONE, values)
        assert by_columns(decoder, [value]) == [alone]


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
    for _ in range(2):
        assert by_columns(decoder, [value, value]) == one_by_one(_ALONE, [value, value])
    assert isinstance(by_columns(decoder, [value])[0], Plain)


def test_a_body_and_unknown_fields_are_dropped() -> None:
    decoder = Decoder()
    decoder.one(event())
    for value in (event(body="secret", x=[{}]), event(body="secret", x=[{}], sid="SM2")):
        events, _ = decoder.batch([value])
        assert len(events.sids) == 1
        assert "secret" not in repr(events)
        assert "secret" not in repr(decoder.one(value))


def test_absent_is_not_null() -> None:
    decoded = Decoder().one(event())
    assert isinstance(decoded, UsageEvent)
    assert (decoded.phone_number, decoded.status) == (UNSET, UNSET)
    assert (decoded.price, decoded.processing_time_ms) == (None, None)


def test_a_column_that_no_event_has_is_empty() -> None:
    decoder = Decoder()
    events, _ = decoder.batch([event("SM1"), event("SM2")])
    assert len(events.phones) == len(events.counterparties) == len(events.prices) == 0
    values = [event("SM1", price="0"), event("SM2", counterparty="+491")]
    phone = event("SM3", user_id=None, phone_number="+492")
    events, _ = decoder.batch([*values, phone])
    assert list(events.phones) == [None, None, b"+492"]
    assert list(events.counterparties) == [None, b"+491", None]
    assert list(events.prices) == [b"0", None, None]
    assert events.users.tolist() == [7, 7, 0]


def test_taking_some_of_the_events() -> None:
    decoder = Decoder()
    values = [event(f"SM{n}", price=f"0.{n}", body_length=n) for n in range(6)]
    events, rejected = decoder.batch([*values[:2], b"{", *values[2:]])
    assert list(rejected) == [2]
    some = events.take(np.array([4, 0]))
    assert some.records.tolist() == [5, 0]
    assert (some.sids, list(some.prices)) == ([b"SM4", b"SM0"], [b"0.4", b"0.0"])
    assert some.body_length.tolist() == [4, 0]
    assert len(some.phones) == len(some.counterparties) == 0
    assert events.take(np.zeros(0, np.int64)).sids == []


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
    assert by_columns(decoder, values) == one_by_one(_ALONE, values)


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
    assert by_columns(decoder, values) == one_by_one(_ALONE, values)
