"""A message and the decisions made about it when it is first folded; design section 1, rule 1.

User, consent, country and price depend on reference data that changes, so they are decided once
and stored in the message's usage-log row. A replay takes them from that row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec
from msgspec import UNSET

from schemas.events import MAX_FUTURE_MS, UsageEvent
from schemas.units import DAY_MS
from streams.core.decode import Rejected
from streams.core.pricing import RateIndex, cost, provider_micros
from streams.core.savings import gsm_saving, trim_saving

UNKNOWN_USER = 0
UNKNOWN_COUNTRY = "ZZ"


class Message(msgspec.Struct, gc=False):
    """One message as last known: a row of `usage_log` (units as its columns) less the history.

    `position` is the place in the log of its `message` event, `version` that of the last event
    applied to it. `processing_us` is None where the router gave no time.
    """

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
    gsm_saved_segments: int
    trimmed_saved_segments: int


class Reference(msgspec.Struct):
    """What decisions are made from, as known at the time: replaced whole when it changes.

    `users` maps E.164 to user ids, `withdrawn` holds users without analytics consent,
    `usd_rates` USD per unit by currency; `country_of` and `hash_of` take an E.164 number.
    """

    rates: RateIndex
    users: Mapping[str, int]
    withdrawn: frozenset[int]
    usd_rates: Mapping[str, Decimal]
    country_of: Callable[[str], str | None]
    hash_of: Callable[[str], int]
    retention_days: int


def key_is_of(key: bytes | None, event: UsageEvent) -> bool:
    """Whether a record's key is the event's decimal user id or its phone number."""
    if key is None:
        return False
    if event.user_id is not UNSET and key == b"%d" % event.user_id:
        return True
    return event.phone_number is not UNSET and key == event.phone_number.encode()


def untimely(occurred_ms: int, record_ms: int, retention_days: int) -> Rejected:
    """Why an event lies too far from its record's timestamp (log time, never a clock)."""
    if occurred_ms > record_ms:
        ahead = (occurred_ms - record_ms) // 1000
        return Rejected(
            "in_future",
            f"occurred_at: {ahead} s after the record, limit {MAX_FUTURE_MS // 1000} s",
        )
    days = (record_ms - occurred_ms) // DAY_MS
    return Rejected(
        "too_old", f"occurred_at: {days} days before the record, limit {retention_days} days"
    )


def decide(
    event: UsageEvent, occurred_ms: int, position: int, reference: Reference
) -> Message | Rejected:
    """Make a message of a `message` event that is seen for the first time."""
    user_id, user_decision = _user(event, reference)
    direction = "inbound" if event.direction == "inbound" else "outbound"
    status = event.status or ("received" if direction == "inbound" else "sent")
    country = event.country_code or _country(event.counterparty, reference)
    price = None
    if event.price is not None:
        usd_per_unit = reference.usd_rates.get(event.price_unit)
        if usd_per_unit is None:
            return Rejected(
                "unsupported_currency", f"price_unit: {event.price_unit} has no configured rate"
            )
        price = provider_micros(event.price, usd_per_unit)
    segments = event.segments
    quote = reference.rates.quote(
        country, event.mcc_mnc, direction, event.message_type, segments, occurred_ms
    )
    charged = cost(quote, status, event.error_code in reference.rates.exempt, price)
    gsm_saved = trimmed = 0
    if segments > 1 and direction == "outbound" and event.message_type == "sms":
        gsm_saved = gsm_saving(
            event.body_length, segments, event.encoding, event.non_gsm_characters
        )
        trimmed = trim_saving(event.body_length, segments, event.encoding)
    phone, counterparty = event.phone_number, event.counterparty
    return Message(
        event.message_sid,
        user_id,
        occurred_ms,
        position,
        position,
        user_decision,
        0 if phone is UNSET else reference.hash_of(phone),
        0 if counterparty is None else reference.hash_of(counterparty),
        direction,
        event.message_type,
        country,
        event.mcc_mnc or "",
        status,
        event.error_code,
        segments,
        event.encoding,
        event.non_gsm_characters,
        event.num_media,
        event.body_length,
        None if event.processing_time_ms is None else micros_of_ms(event.processing_time_ms),
        None,
        "provider" if price is not None else "fallback" if quote.is_fallback else "rate_card",
        charged.base_micros,
        charged.carrier_fee_micros,
        charged.failed_fee_micros,
        charged.provisional_micros,
        quote.base_micros,
        quote.carrier_micros,
        quote.failed_micros,
        gsm_saved,
        trimmed,
    )


def micros_of_ms(value: float) -> int:
    """A decimal number of ms as integer µs, rounded half-even by its decimal digits."""
    scaled = value * 1000
    nearest = round(scaled)
    if abs(scaled - nearest) < 0.499:
        return nearest
    return round(Decimal(repr(value)) * 1000)


def _user(event: UsageEvent, reference: Reference) -> tuple[int, str]:
    if event.user_id is not UNSET:
        user_id, decision = event.user_id, "event"
    else:
        assert event.phone_number is not UNSET
        user_id = reference.users.get(event.phone_number, UNKNOWN_USER)
        decision = "mapping" if user_id else "unresolved"
    if user_id in reference.withdrawn:
        return UNKNOWN_USER, "consent_withdrawn"
    return user_id, decision


def _country(counterparty: str | None, reference: Reference) -> str:
    if counterparty is None:
        return UNKNOWN_COUNTRY
    return reference.country_of(counterparty) or UNKNOWN_COUNTRY
