"""The decisions about a message: user, country, status, price, and the limits of its time."""

from __future__ import annotations

import math
import random
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest

from schemas.events import MAX_FUTURE_MS, UsageEvent
from schemas.units import position
from streams.core.decode import Decoder, Rejected
from streams.core.message import Message, decide, key_is_of, micros_of_ms, untimely
from tests.streams.samples import NOON_MS, event, rate, rates, reference

_PHONE = "+4915112345678"


def _event(**fields: Any) -> UsageEvent:
    decoded = Decoder().one(event(**fields))
    assert isinstance(decoded, UsageEvent), decoded
    return decoded


def _decide(known: dict[str, Any] | None = None, **fields: Any) -> Message | Rejected:
    return decide(_event(**fields), NOON_MS, position(1, 5), reference(**(known or {})))


def _message(known: dict[str, Any] | None = None, **fields: Any) -> Message:
    decided = _decide(known, **fields)
    assert isinstance(decided, Message), decided
    return decided


def test_every_field_of_a_minimal_event() -> None:
    assert _message() == Message(
        sid="SM1",
        user_id=7,
        occurred_ms=NOON_MS,
        position=position(1, 5),
        version=position(1, 5),
        user_decision="event",
        phone_hash=0,
        counterparty_hash=0,
        direction="outbound",
        message_type="sms",
        country="ZZ",
        mcc_mnc="",
        status="sent",
        error_code=None,
        segments=1,
        encoding=None,
        non_gsm_characters=0,
        num_media=0,
        body_length=0,
        processing_us=None,
        latency_ms=None,
        cost_source="fallback",
        base_micros=100,
        carrier_fee_micros=10,
        failed_fee_micros=0,
        provisional_micros=110,
        rate_base_micros=100,
        rate_carrier_micros=10,
        rate_failed_micros=5,
        gsm_saved_segments=0,
        trimmed_saved_segments=0,
    )


def test_every_field_of_a_full_event() -> None:
    full = _message(
        {"users": {_PHONE: 42}},
        sid="SM2",
        user_id=None,
        phone_number=_PHONE,
        direction="outbound-api",
        status="failed",
        error_code=30003,
        segments=3,
        encoding="UCS-2",
        non_gsm_characters=2,
        num_media=1,
        body_length=135,
        processing_time_ms=12.3455,
        country_code="FR",
        counterparty="+33612345678",
        mcc_mnc="20801",
        price="-0.01",
        price_unit="EUR",
    )
    assert full == Message(
        sid="SM2",
        user_id=42,
        occurred_ms=NOON_MS,
        position=position(1, 5),
        version=position(1, 5),
        user_decision="mapping",
        phone_hash=678,
        counterparty_hash=678,
        direction="outbound",
        message_type="sms",
        country="FR",
        mcc_mnc="20801",
        status="failed",
        error_code=30003,
        segments=3,
        encoding="UCS-2",
        non_gsm_characters=2,
        num_media=1,
        body_length=135,
        processing_us=12_346,
        latency_ms=None,
        cost_source="provider",
        base_micros=10_800,
        carrier_fee_micros=0,
        failed_fee_micros=5,
        provisional_micros=0,
        rate_base_micros=300,
        rate_carrier_micros=30,
        rate_failed_micros=5,
        gsm_saved_segments=2,
        trimmed_saved_segments=1,
    )


@pytest.mark.parametrize(
    ("of_user", "users", "withdrawn", "expected"),
    [
        ({"user_id": 7}, {}, {8}, (7, "event")),
        ({"user_id": 7}, {}, {7}, (0, "consent_withdrawn")),
        ({"user_id": 2**53 - 1}, {}, {}, (2**53 - 1, "event")),
        ({"user_id": None, "phone_number": _PHONE}, {_PHONE: 42}, {}, (42, "mapping")),
        ({"user_id": None, "phone_number": _PHONE}, {"+1": 42}, {42}, (0, "unresolved")),
        ({"user_id": None, "phone_number": _PHONE}, {_PHONE: 42}, {42}, (0, "consent_withdrawn")),
    ],
)
def test_user(
    of_user: dict[str, Any],
    users: dict[str, int],
    withdrawn: set[int],
    expected: tuple[int, str],
) -> None:
    decided = _message({"users": users, "withdrawn": frozenset(withdrawn)}, **of_user)
    assert (decided.user_id, decided.user_decision) == expected


@pytest.mark.parametrize(
    ("country_code", "counterparty", "expected"),
    [
        ("FR", "+49151", "FR"),
        (None, "+49151", "DE"),
        (None, "+8881", "ZZ"),
        (None, None, "ZZ"),
        ("ZZ", "+49151", "ZZ"),
    ],
)
def test_country(country_code: str | None, counterparty: str | None, expected: str) -> None:
    assert _message(country_code=country_code, counterparty=counterparty).country == expected


@pytest.mark.parametrize("direction", ["outbound", "outbound-api", "outbound-reply"])
def test_twilios_outbound_is_outbound(direction: str) -> None:
    decided = _message(direction=direction)
    assert (decided.direction, decided.status) == ("outbound", "sent")


def test_inbound_is_received() -> None:
    decided = _message(direction="inbound")
    assert (decided.direction, decided.status) == ("inbound", "received")
    assert _message(direction="inbound", status="read").status == "read"


@pytest.mark.parametrize(
    ("fields", "source", "charged"),
    [
        ({"country_code": "DE"}, "rate_card", (200, 20, 0, 220)),
        ({"country_code": "FR"}, "fallback", (100, 10, 0, 110)),
        ({"country_code": "DE", "price": "0"}, "provider", (0, 0, 0, 0)),
        ({"country_code": "DE", "status": "canceled"}, "rate_card", (0, 0, 0, 0)),
        ({"country_code": "DE", "status": "failed"}, "rate_card", (0, 0, 6, 0)),
        ({"country_code": "DE", "status": "failed", "error_code": 1}, "rate_card", (0, 0, 6, 0)),
        ({"country_code": "DE", "status": "failed", "error_code": 9}, "rate_card", (0, 0, 0, 0)),
        ({"direction": "inbound"}, "fallback", (0, 0, 0, 0)),
    ],
)
def test_price(fields: dict[str, Any], source: str, charged: tuple[int, ...]) -> None:
    german = rate(
        id="de", country="DE", base_micros=200, carrier_fee_micros=20, failed_fee_micros=6
    )
    decided = _message({"rates": rates(rate(), german, exempt=(9,))}, **fields)
    assert decided.cost_source == source
    assert charged == (
        decided.base_micros,
        decided.carrier_fee_micros,
        decided.failed_fee_micros,
        decided.provisional_micros,
    )


def test_the_price_is_of_when_it_occurred() -> None:
    newer = rate(id="newer", base_micros=900, valid_from="2026-03-01T12:00:00.001Z")
    assert _message({"rates": rates(rate(), newer)}).rate_base_micros == 100


def test_currencies() -> None:
    assert _decide(price="0.01", price_unit="GBP") == Rejected(
        "unsupported_currency", "price_unit: GBP has no configured rate"
    )
    assert _message(price_unit="GBP").cost_source == "fallback"
    assert _message(price="0.01", price_unit="EUR").base_micros == 10_800


@pytest.mark.parametrize(
    ("fields", "saved"),
    [
        ({}, (2, 1)),
        ({"direction": "inbound"}, (0, 0)),
        ({"message_type": "mms"}, (0, 0)),
        ({"segments": 1}, (0, 0)),
        ({"encoding": None}, (0, 0)),
    ],
)
def test_savings_are_of_long_outbound_sms(fields: dict[str, Any], saved: tuple[int, int]) -> None:
    text = {"segments": 3, "encoding": "UCS-2", "non_gsm_characters": 1, "body_length": 135}
    decided = _message(**{**text, **fields})
    assert (decided.gsm_saved_segments, decided.trimmed_saved_segments) == saved


@pytest.mark.parametrize(
    ("ms", "micros"),
    [
        (0, 0),
        (0.0004, 0),
        (0.0005, 0),
        (0.0006, 1),
        (0.0015, 2),
        (0.0025, 2),
        (0.0035, 4),
        (1.0005, 1000),
        (1.0015, 1002),
        (2.0025, 2002),
        (12.3445, 12_344),
        (12.3455, 12_346),
        (86_400_000, 86_400_000_000),
        (86_399_999.9995, 86_399_999_999 + 1),
        (86_399_999.9985, 86_399_999_998),
        (1e-300, 0),
        (5e-324, 0),
        (math.nextafter(0.0015, 0), 1),
        (math.nextafter(0.0025, 1), 3),
    ],
)
def test_processing_time_is_rounded_half_even(ms: float, micros: int) -> None:
    assert micros_of_ms(ms) == micros


@pytest.mark.parametrize("limit", [1, 1_000, 86_400_000])
def test_processing_time_against_decimal_arithmetic(limit: int) -> None:
    seeded = random.Random(limit)
    for _ in range(3000):
        text = f"{seeded.randrange(limit)}.{seeded.randrange(10**4):04d}"
        exact = (Decimal(text) * 1000).to_integral_value(ROUND_HALF_EVEN)
        assert micros_of_ms(float(text)) == exact, text


@pytest.mark.parametrize(
    ("key", "fields", "expected"),
    [
        (b"7", {}, True),
        (None, {}, False),
        (b"", {}, False),
        (b"07", {}, False),
        (b"+7", {}, False),
        (b"7 ", {}, False),
        (b"8", {}, False),
        (b"7", {"user_id": None, "phone_number": "+17"}, False),
        (b"+17", {"user_id": None, "phone_number": "+17"}, True),
        (b"17", {"user_id": None, "phone_number": "+17"}, False),
        (b"7", {"type": "status", "status": "read", "phone_number": "+17"}, True),
        (b"+17", {"type": "status", "status": "read", "phone_number": "+17"}, True),
        (b"+18", {"type": "status", "status": "read", "phone_number": "+17"}, False),
        (b"\xff", {}, False),
    ],
)
def test_keys(key: bytes | None, fields: dict[str, Any], expected: bool) -> None:
    assert key_is_of(key, _event(**fields)) is expected


@pytest.mark.parametrize(
    ("occurred_ms", "record_ms", "expected"),
    [
        (
            NOON_MS + MAX_FUTURE_MS + 1,
            NOON_MS,
            Rejected("in_future", "occurred_at: 300 s after the record, limit 300 s"),
        ),
        (
            NOON_MS + 3_600_000,
            NOON_MS,
            Rejected("in_future", "occurred_at: 3600 s after the record, limit 300 s"),
        ),
        (
            NOON_MS - 401 * 86_400_000,
            NOON_MS,
            Rejected("too_old", "occurred_at: 401 days before the record, limit 400 days"),
        ),
    ],
)
def test_untimely(occurred_ms: int, record_ms: int, expected: Rejected) -> None:
    assert untimely(occurred_ms, record_ms, 400) == expected
