"""Messages and the decisions made about them when they are first folded; design section 1, rule 1.

User, consent, country and price depend on reference data that changes, so they are decided once
and stored in the message's usage-log row. A replay takes them from that row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from schemas.events import MAX_FUTURE_MS
from schemas.rows import COST_SOURCES, DIRECTIONS, MESSAGE_TYPES, STATUS_CODES, USER_DECISIONS
from schemas.units import DAY_MS
from streams.core.columns import Flags, Ints, Records, Texts
from streams.core.compiled.texts import price_micros
from streams.core.events import Events
from streams.core.pricing import RateIndex, costs, provider_micros
from streams.core.savings import gsm_saving, trim_saving
from streams.core.shapes import country_number
from streams.core.strict import Rejected

UNKNOWN_USER = 0
_USD = b"USD"
UNKNOWN_COUNTRY = country_number("ZZ")

MESSAGE = np.dtype(
    [
        ("user_id", "i8"),
        ("occurred_ms", "i8"),
        ("position", "i8"),
        ("version", "i8"),
        ("user_decision", "i1"),
        ("phone_hash", "u8"),
        ("counterparty_hash", "u8"),
        ("direction", "i1"),
        ("message_type", "i1"),
        ("country", "i2"),
        ("mcc_mnc", "S6"),
        ("status", "i1"),
        ("has_error", "?"),
        ("error_code", "i4"),
        ("segments", "u1"),
        ("encoding", "i1"),
        ("non_gsm_characters", "u2"),
        ("num_media", "u1"),
        ("body_length", "u2"),
        ("processing_us", "i8"),
        ("latency_ms", "i8"),
        ("cost_source", "i1"),
        ("base_micros", "i8"),
        ("carrier_fee_micros", "i8"),
        ("failed_fee_micros", "i8"),
        ("provisional_micros", "i8"),
        ("rate_base_micros", "i8"),
        ("rate_carrier_micros", "i8"),
        ("rate_failed_micros", "i8"),
        ("rate_origin", "i1"),
        ("gsm_saved_segments", "u1"),
        ("trimmed_saved_segments", "u1"),
    ]
)
"""A message as last known, but for its sid and its history: a row of `usage_log` in the same units.

Enums are codes of `schemas.rows`, `country` is a `country_number`. `position` is the place in the
log of its `message` event, `version` that of the last event applied to it. `processing_us` and
`latency_ms` are −1 where they are not known.
"""
Messages = Records
"""An array of `MESSAGE`."""


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


def users_of(phones: Texts, reference: Reference) -> Ints:
    """The users that numbers are mapped to; UNKNOWN_USER for those of none."""
    users = np.full(len(phones), UNKNOWN_USER, np.int64)
    places = phones.there()
    known = reference.users
    users[places] = [
        known.get(number.decode(), UNKNOWN_USER) for number in phones.take(places) if number
    ]
    return users


def has_unmapped(phones: Texts, reference: Reference) -> bool:
    """Whether a number is mapped to nobody."""
    return bool((users_of(phones, reference)[phones.there()] == UNKNOWN_USER).any())


def owners_of(events: Events, reference: Reference) -> Ints:
    """Whose events they are, by the mapping where they name a number only."""
    if not len(events.phones):
        return events.users
    by_phone = users_of(events.phones, reference)
    return np.where(events.users == UNKNOWN_USER, by_phone, events.users)


def key_is_of(key: bytes | None, user_id: int, phone_number: bytes | None) -> bool:
    """Whether a record's key is the event's decimal user id (0: none) or its phone number."""
    if key is None:
        return False
    if user_id and key == b"%d" % user_id:
        return True
    return key == phone_number


def untimely(occurred_ms: int, record_ms: int, retention_days: int) -> Rejected | None:
    """Why an event lies too far from its record's timestamp (log time, never a clock)."""
    if occurred_ms - record_ms > MAX_FUTURE_MS:
        ahead = (occurred_ms - record_ms) // 1000
        return Rejected(
            "in_future",
            f"occurred_at: {ahead} s after the record, limit {MAX_FUTURE_MS // 1000} s",
        )
    if record_ms - occurred_ms > retention_days * DAY_MS:
        days = (record_ms - occurred_ms) // DAY_MS
        return Rejected(
            "too_old", f"occurred_at: {days} days before the record, limit {retention_days} days"
        )
    return None


def without_rate(prices: Texts, shapes: Any, reference: Reference) -> dict[int, str]:
    """The currencies without a configured rate of those events that have a price, by place."""
    known = [currency.encode() for currency in reference.usd_rates]
    places = prices.there()
    currencies = shapes["currency"][places]
    is_without = ~np.isin(currencies, known)
    found = zip(places[is_without].tolist(), currencies[is_without].tolist(), strict=True)
    return {place: currency.decode() for place, currency in found}


def prices_in_micros(prices: Texts, shapes: Any, reference: Reference) -> Ints:
    """The provider's price of each event in micro-USD, −1 for none; their currencies must have
    rates."""
    micros = np.full(len(shapes), -1, np.int64)
    if not len(prices):
        return micros
    price_micros(prices.content, prices.starts, prices.sizes, micros)
    places = prices.there()
    for place in places[shapes["currency"][places] != _USD].tolist():
        price, currency = prices[place], shapes["currency"][place].decode()
        assert price is not None
        micros[place] = provider_micros(price.decode(), reference.usd_rates[currency])
    return micros


def decide(
    events: Events,
    shapes: Any,
    positions: Ints,
    reference: Reference,
    keeps_numbers: bool = True,
) -> Messages:
    """Make messages of `message` events that are seen for the first time.

    `shapes` has the row of the shape table of each event; their currencies must have rates.
    Messages that are only counted need no hashes of numbers.
    """
    made: Messages = np.zeros(len(events.records), MESSAGE)
    for name in ("direction", "message_type", "mcc_mnc", "status", "has_error", "error_code"):
        made[name] = shapes[name]
    made["encoding"] = shapes["encoding"]
    made["occurred_ms"] = events.occurred_ms
    made["position"] = made["version"] = positions
    for name in ("segments", "body_length", "non_gsm_characters", "num_media", "processing_us"):
        made[name] = getattr(events, name)
    made["latency_ms"] = -1
    made["country"] = shapes["country"]
    _decide_users(made, events, reference)
    _find_countries(made, events, reference)
    if keeps_numbers:
        _hash_numbers(made, events, reference)
    _price(made, events.prices, shapes, reference)
    _note_savings(made)
    return made


def _decide_users(made: Messages, events: Events, reference: Reference) -> None:
    users = owners_of(events, reference)
    decisions = np.full(len(users), USER_DECISIONS["event"], np.int8)
    if len(events.phones):
        decisions[events.users == UNKNOWN_USER] = USER_DECISIONS["mapping"]
        decisions[users == UNKNOWN_USER] = USER_DECISIONS["unresolved"]
    if reference.withdrawn:
        withdrawn = np.isin(users, list(reference.withdrawn))
        users = np.where(withdrawn, UNKNOWN_USER, users)
        decisions[withdrawn] = USER_DECISIONS["consent_withdrawn"]
    made["user_id"], made["user_decision"] = users, decisions


def _find_countries(made: Messages, events: Events, reference: Reference) -> None:
    """Countries that follow from a number where the event names none."""
    if len(events.counterparties):
        for place in np.flatnonzero(made["country"] == 0).tolist():
            number = events.counterparties[place]
            country = None if number is None else reference.country_of(number.decode())
            made["country"][place] = country_number(country or "ZZ")
    made["country"][made["country"] == 0] = UNKNOWN_COUNTRY


def _hash_numbers(made: Messages, events: Events, reference: Reference) -> None:
    """The hashes that stay of numbers."""
    for name, numbers in (
        ("phone_hash", events.phones),
        ("counterparty_hash", events.counterparties),
    ):
        places = numbers.there()
        made[name][places] = [
            reference.hash_of(number.decode()) for number in numbers.take(places) if number
        ]
    if reference.withdrawn:
        # Who does not consent leaves nothing that leads back to him.
        withdrawn = made["user_decision"] == USER_DECISIONS["consent_withdrawn"]
        for name in ("phone_hash", "counterparty_hash"):
            made[name][withdrawn] = 0


def _price(made: Messages, prices: Texts, shapes: Any, reference: Reference) -> None:
    quotes, is_fallback, made["rate_origin"] = reference.rates.quotes(
        made["country"],
        made["mcc_mnc"],
        made["direction"],
        made["message_type"],
        made["segments"],
        made["occurred_ms"],
    )
    names = ("rate_base_micros", "rate_carrier_micros", "rate_failed_micros")
    for column, name in enumerate(names):
        made[name] = quotes[:, column]
    provider = prices_in_micros(prices, shapes, reference)
    is_exempt = made["has_error"] & np.isin(made["error_code"], list(reference.rates.exempt))
    set_costs(made, provider, is_exempt)
    settled = COST_SOURCES["provider"]
    by_card = np.where(is_fallback, COST_SOURCES["fallback"], COST_SOURCES["rate_card"])
    made["cost_source"] = np.where(provider >= 0, settled, by_card)


def set_costs(made: Messages, provider: Ints, is_exempt: Flags) -> None:
    """Price messages in their current status from their own rates; `provider` is −1 for none."""
    status = made["status"]
    made["base_micros"], made["carrier_fee_micros"], made["failed_fee_micros"] = costs(
        np.stack(
            [made["rate_base_micros"], made["rate_carrier_micros"], made["rate_failed_micros"]],
            axis=1,
        ),
        status == STATUS_CODES["failed"],
        status == STATUS_CODES["canceled"],
        is_exempt,
        provider,
    )
    made["provisional_micros"] = np.where(
        provider >= 0, 0, made["base_micros"] + made["carrier_fee_micros"]
    )


def _note_savings(made: Messages) -> None:
    places = np.flatnonzero(
        (made["segments"] > 1)
        & (made["direction"] == DIRECTIONS["outbound"])
        & (made["message_type"] == MESSAGE_TYPES["sms"])
    )
    some = made[places]
    length = some["body_length"].astype(np.int64)
    segments, encoding = some["segments"].astype(np.int64), some["encoding"]
    made["gsm_saved_segments"][places] = gsm_saving(
        length, segments, encoding, some["non_gsm_characters"]
    )
    made["trimmed_saved_segments"][places] = trim_saving(length, segments, encoding)
