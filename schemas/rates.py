"""Rate rows, their precedence, and the bundled, dated card; contract section 5.

The numbers stand in `rate_card.toml` with their sources; nothing here knows a price.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import msgspec

from schemas.events import PATTERN_END, MccMnc, Timestamp
from schemas.rows import RATE_ORIGINS

TWILIO = "twilio"
"""The `source` of rates that `rates fetch` took from Twilio's Pricing API."""

Micros = Annotated[int, msgspec.Meta(ge=0, le=10**12)]


class Rate(msgspec.Struct, frozen=True):
    """What one message costs, in micro-USD: SMS `base` and `carrier_fee` are per segment, MMS
    per message, `failed_fee` per failed message. Valid for messages that occurred at or after
    `valid_from` (RFC 3339). `country` `*` is any; `mcc_mnc` None is any carrier."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    country: Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{2}|\*)" + PATTERN_END)]
    direction: Literal["inbound", "outbound"]
    message_type: Literal["sms", "mms"]
    base_micros: Micros
    valid_from: Timestamp
    source: str
    mcc_mnc: MccMnc | None = None
    carrier_fee_micros: Micros = 0
    failed_fee_micros: Micros = 0
    currency: Literal["USD"] = "USD"

    def __post_init__(self) -> None:
        try:
            datetime.fromisoformat(self.valid_from.upper())
        except ValueError as error:
            raise ValueError(f"valid_from: {error}") from None


class ExemptCodes(msgspec.Struct, frozen=True):
    """The error codes whose failed messages bear no failed-message fee (one record a card)."""

    id: Literal["exempt_error_codes"]
    exempt_error_codes: tuple[int, ...]
    source: str = ""


class Card(msgspec.Struct, frozen=True):
    """A whole rate card: its rows and the exempt codes."""

    rates: tuple[Rate, ...]
    exempt: ExemptCodes


def card_of(records: Iterable[Rate | ExemptCodes]) -> Card:
    """A card from the records of the topic; without a record of exempt codes none is exempt."""
    rates, exempt = [], ExemptCodes("exempt_error_codes", ())
    for record in records:
        if isinstance(record, ExemptCodes):
            exempt = record
        else:
            rates.append(record)
    return Card(tuple(rates), exempt)


@cache
def bundled_card() -> Card:
    """The card that ships with the product; in force until the first rate of the topic is valid."""
    text = files("schemas").joinpath("rate_card.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Card)


def origin_of(rate: Rate) -> int:
    """Where a rate came from, as one of `RATE_ORIGINS`. Rows of the bundled card stay bundled
    when they were published, under whatever id."""
    if rate.source == TWILIO:
        return RATE_ORIGINS["twilio"]
    return RATE_ORIGINS["bundled" if _without_id(rate) in _bundled_rates() else "loaded"]


@cache
def _bundled_rates() -> frozenset[Rate]:
    return frozenset(map(_without_id, bundled_card().rates))


def _without_id(rate: Rate) -> Rate:
    return msgspec.structs.replace(rate, id="-")
