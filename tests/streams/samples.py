"""Events, messages and reference data for tests: valid as they are, each field replaceable."""

from __future__ import annotations

import json
import random
import time
from decimal import Decimal
from typing import Any

import msgspec

from schemas.rates import Card, ExemptCodes, Rate
from schemas.statuses import STATUSES
from streams.core.message import Reference
from streams.core.pricing import RateIndex, usd_rates

NOON_MS = 1_772_366_400_000
"""2026-03-01T12:00:00Z, the start of a minute, of a quarter of an hour, but not of a day."""
RECENT_MS = int(time.time()) // 3600 * 3_600_000
"""The start of the present hour, for rows that ClickHouse shall not drop as too old."""


class Message(msgspec.Struct):
    """A message in texts, None where something is not known; `columns` makes rows of it."""

    sid: str
    user_id: int
    occurred_ms: int
    position: int
    version: int
    user_decision: str
    phone_hash: int
    counterparty_hash: int
    direction: str
    message_type: str
    country: str
    mcc_mnc: str
    status: str
    error_code: int | None
    segments: int
    encoding: str | None
    non_gsm_characters: int
    num_media: int
    body_length: int
    processing_us: int | None
    latency_ms: int | None
    cost_source: str
    base_micros: int
    carrier_fee_micros: int
    failed_fee_micros: int
    provisional_micros: int
    rate_base_micros: int
    rate_carrier_micros: int
    rate_failed_micros: int
    rate_origin: str
    gsm_saved_segments: int
    trimmed_saved_segments: int


def event(sid: str | None = "SM1", **fields: Any) -> bytes:
    """A `message` event of user 7, by default outbound at noon; a field of None is left out."""
    merged = {
        "event_id": f"E-{sid}",
        "message_sid": sid,
        "occurred_at": "2026-03-01T12:00:00Z",
        "user_id": 7,
        "direction": "outbound",
        **fields,
    }
    return json.dumps({name: value for name, value in merged.items() if value is not None}).encode()


def rate(**fields: Any) -> Rate:
    """A rate for outbound SMS anywhere: 100 + 10 micros a segment, 5 if it fails."""
    return msgspec.structs.replace(
        Rate(
            id="any",
            country="*",
            direction="outbound",
            message_type="sms",
            base_micros=100,
            valid_from="2020-01-01T00:00:00Z",
            source="a test",
            carrier_fee_micros=10,
            failed_fee_micros=5,
        ),
        **fields,
    )


def rates(*rows: Rate, exempt: tuple[int, ...] = ()) -> RateIndex:
    """The index of a card of these rows."""
    return RateIndex(Card(rows, ExemptCodes("exempt_error_codes", exempt)))


def reference(**fields: Any) -> Reference:
    """Reference data without users, with `rate()` as the whole card; +49… is in Germany."""
    defaults = Reference(
        rates=rates(rate()),
        users={},
        withdrawn=frozenset(),
        usd_rates=usd_rates({"EUR": Decimal("1.08")}),
        country_of=lambda number: "DE" if number.startswith("+49") else None,
        hash_of=lambda number: int(number) % 1000,
        retention_days=400,
    )
    return msgspec.structs.replace(defaults, **fields)


def message(sid: str = "SM1", **fields: Any) -> Message:
    """A message of user 7 at noon, position 0, whose every column differs from its default."""
    defaults = Message(
        sid=sid,
        user_id=7,
        occurred_ms=NOON_MS,
        position=0,
        version=0,
        user_decision="event",
        phone_hash=11,
        counterparty_hash=2**64 - 1,
        direction="outbound",
        message_type="sms",
        country="DE",
        mcc_mnc="26201",
        status="sent",
        error_code=None,
        segments=2,
        encoding="UCS-2",
        non_gsm_characters=1,
        num_media=3,
        body_length=80,
        processing_us=1_234_567,
        latency_ms=None,
        cost_source="rate_card",
        base_micros=200,
        carrier_fee_micros=20,
        failed_fee_micros=0,
        provisional_micros=220,
        rate_base_micros=200,
        rate_carrier_micros=20,
        rate_failed_micros=5,
        rate_origin="twilio",
        gsm_saved_segments=1,
        trimmed_saved_segments=1,
    )
    return msgspec.structs.replace(defaults, **fields)


def any_message(
    seeded: random.Random, position: int, until_ms: int = NOON_MS, span_h: int = 72, **fields: Any
) -> Message:
    """A message drawn at random from so small a world that cells are shared; user 0 is in it.

    It occurred up to `span_h` before `until_ms`.
    """
    processing_us = seeded.choice([None, 0, 127, 128, seeded.randrange(86_400_000_001)])
    drawn = {
        "user_id": seeded.choice([0, 0, 1, 2, 2**53 - 1]),
        "occurred_ms": until_ms - seeded.randrange(span_h * 3_600_000),
        "position": position,
        "version": position,
        "direction": seeded.choice(["inbound", "outbound"]),
        "message_type": seeded.choice(["sms", "mms"]),
        "country": seeded.choice(["AA", "DE", "ZZ"]),
        "status": seeded.choice(STATUSES),
        "error_code": seeded.choice([None, None, 0, 30003, -(2**31), 2**31 - 1]),
        "segments": seeded.randint(1, 100),
        "encoding": seeded.choice([None, "GSM-7", "UCS-2"]),
        "body_length": seeded.randrange(65536),
        "processing_us": processing_us,
        "base_micros": seeded.randrange(10**13),
        "carrier_fee_micros": seeded.randrange(10**9),
        "failed_fee_micros": seeded.randrange(10**6),
        "provisional_micros": seeded.randrange(10**9),
        "gsm_saved_segments": seeded.randrange(4),
        "trimmed_saved_segments": seeded.randrange(3),
    }
    return message(**{"sid": f"SM{position}", **drawn, **fields})
