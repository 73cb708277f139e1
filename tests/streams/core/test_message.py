"""The decisions about a message: user, country, status, price, and the limits of its time."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from schemas.events import MAX_FUTURE_MS
from schemas.rates import TWILIO, bundled_card
from schemas.statuses import STATUSES
from schemas.units import DAY_MS, position
from streams.core.decode import Decoder
from streams.core.message import decide, key_is_of, untimely, without_rate
from streams.core.pricing import RateIndex
from streams.core.strict import Rejected
from tests.streams.columns import decided, messages_of
from tests.streams.samples import NOON_MS, Message, event, rate, rates, reference

_PHONE = "+4915112345678"


def _message(known: dict[str, Any] | None = None, **fields: Any) -> Message:
    return decided(event(**fields), position(1, 5), reference(**(known or {})))


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
        rate_origin="loaded",
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
        rate_origin="loaded",
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


def test_a_message_says_where_its_rate_came_from() -> None:
    bundled = reference(rates=RateIndex(bundled_card()))
    of_twilio = {"rates": rates(rate(id="t", country="DE", source=TWILIO), rate(country="FR"))}
    assert decided(event(country_code="US"), 1, bundled).rate_origin == "bundled"
    assert _message(of_twilio, country_code="DE", price="1").rate_origin == "twilio"
    assert _message(of_twilio, country_code="FR").rate_origin == "loaded"
    assert _message(of_twilio, country_code="GB").rate_origin == "none"


def test_the_price_is_of_when_it_occurred() -> None:
    newer = rate(id="newer", base_micros=900, valid_from="2026-03-01T12:00:00.001Z")
    assert _message({"rates": rates(rate(), newer)}).rate_base_micros == 100


@pytest.mark.parametrize(("price", "micros"), [(None, None), ("0.000077", 77), ("0", 0)])
@pytest.mark.parametrize("status", STATUSES)
def test_a_cost_is_provisional_until_its_price_is_known(
    status: str, price: str | None, micros: int | None
) -> None:
    is_charged = status not in ("failed", "canceled")
    found = _message(status=status, price=price)
    assert found.cost_source == ("fallback" if price is None else "provider")
    assert found.provisional_micros == (110 if is_charged and price is None else 0)
    assert found.base_micros + found.carrier_fee_micros == (
        0 if status == "canceled" else micros if micros is not None else 110 * is_charged
    )
    assert found.failed_fee_micros == (5 if status == "failed" else 0)


def test_currencies() -> None:
    assert _message(price_unit="GBP").cost_source == "fallback"
    assert _message(price="0.01", price_unit="EUR").base_micros == 10_800
    values = [
        event("SM0", price="0.01", price_unit="GBP"),
        event("SM1", price_unit="GBP"),
        event("SM2", price="0.01", price_unit="EUR"),
        event("SM3", price="0.01"),
        event("SM4", price="0", price_unit="JPY"),
    ]
    decoder = Decoder()
    for some, expected in ((values, {0: "GBP", 4: "JPY"}), (values[1:4], {}), ([], {})):
        events, _ = decoder.batch(some)
        shapes = decoder.shapes.table[events.shapes]
        assert without_rate(events.prices, shapes, reference()) == expected


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
    events, _ = Decoder().batch([event(**fields)])
    phone = events.phones[0] if len(events.phones) else None
    assert key_is_of(key, int(events.users[0]), phone) is expected


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
        (
            NOON_MS - 400 * DAY_MS - 1,
            NOON_MS,
            Rejected("too_old", "occurred_at: 400 days before the record, limit 400 days"),
        ),
        (NOON_MS + MAX_FUTURE_MS, NOON_MS, None),
        (NOON_MS, NOON_MS, None),
        (NOON_MS - 400 * DAY_MS, NOON_MS, None),
    ],
)
def test_untimely(occurred_ms: int, record_ms: int, expected: Rejected | None) -> None:
    assert untimely(occurred_ms, record_ms, 400) == expected


def _any_event(seeded: random.Random, number: int) -> bytes:
    who: list[dict[str, Any]] = [
        {},
        {"user_id": 8},
        *[{"user_id": None, "phone_number": f"+49{n}"} for n in (1, 2, 3)],
    ]
    fields = {
        "direction": seeded.choice(["inbound", "outbound", "outbound-api"]),
        "message_type": seeded.choice([None, None, "mms"]),
        "status": seeded.choice([None, *STATUSES]),
        "error_code": seeded.choice([None, 0, 9, -5]),
        "segments": seeded.choice([None, 1, 2, 5, 100]),
        "encoding": seeded.choice([None, "GSM-7", "UCS-2"]),
        "non_gsm_characters": seeded.choice([None, 1, 3, 4]),
        "body_length": seeded.choice([None, 80, 161, 307, 65535]),
        "country_code": seeded.choice([None, None, "DE", "FR"]),
        "counterparty": seeded.choice([None, "+49151", "+331"]),
        "mcc_mnc": seeded.choice([None, "26201"]),
        "price": seeded.choice([None, None, "0", "-0.0075"]),
        "price_unit": seeded.choice([None, "EUR"]),
        "processing_time_ms": seeded.choice([None, 0, 1.5]),
        "occurred_at": seeded.choice(["2026-03-01T12:00:00Z", "2026-03-01T11:59:59.999Z"]),
    }
    return event(f"SM{number}", **fields, **seeded.choice(who))


@pytest.mark.parametrize("withdrawn", [frozenset[int](), frozenset({8}), frozenset({8, 42})])
@pytest.mark.parametrize("seed", range(3))
def test_many_are_decided_as_each_alone_is(seed: int, withdrawn: frozenset[int]) -> None:
    seeded = random.Random(seed)
    card = rates(
        rate(valid_from="2026-03-01T12:00:00Z"),
        rate(id="mms", message_type="mms", base_micros=7),
        rate(id="de", country="DE", base_micros=200, failed_fee_micros=6),
        rate(id="in", direction="inbound", country="FR", base_micros=3),
        rate(id="carrier", country="DE", mcc_mnc="26201", base_micros=9),
        exempt=(9,),
    )
    known = reference(
        rates=card, users={"+491": 42, "+492": 43}, withdrawn=withdrawn, hash_of=lambda n: 2**64 - 1
    )
    values = [_any_event(seeded, number) for number in range(300)]
    places = [position(3, number) for number in range(300)]
    decoder = Decoder()
    events, rejected = decoder.batch(values)
    assert not rejected
    made = decide(events, decoder.shapes.table[events.shapes], np.array(places), known)
    together = messages_of(events.sids, made)
    alone = [decided(value, at, known) for value, at in zip(values, places, strict=True)]
    assert together == alone
    assert {each.user_decision for each in alone} >= {"event", "mapping", "unresolved"}
    assert {each.cost_source for each in alone} == {"provider", "rate_card", "fallback"}


def test_none_are_decided() -> None:
    decoder = Decoder()
    events, _ = decoder.batch([])
    made = decide(events, decoder.shapes.table[events.shapes], np.zeros(0, np.int64), reference())
    assert len(made) == 0
