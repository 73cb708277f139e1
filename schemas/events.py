"""The usage event that routers publish to `sms.usage.v1`, with every limit of the contract.

`UsageEvent` is the type that `streams.core.decode` decodes into; the JSON Schema and AsyncAPI
documents beside it are generated from it (`python -m schemas.generate`). Both kinds of event
share the type; which fields each kind needs stands in `REQUIRED`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_EVENT_BYTES = 64 * 1024
MAX_FUTURE_MS = 5 * 60_000
MESSAGE_RETENTION_DAYS = 400

# `$` alone would let Python accept a trailing newline; ECMA's `$` never does.
PATTERN_END = r"$(?!\n)"

Kind = Literal["message", "status"]
Direction = Literal["inbound", "outbound", "outbound-api", "outbound-reply", "outbound-call"]
MessageType = Literal["sms", "mms"]
Status = Literal[
    "accepted",
    "scheduled",
    "queued",
    "sending",
    "sent",
    "delivered",
    "undelivered",
    "failed",
    "canceled",
    "receiving",
    "received",
    "read",
    "partially_delivered",
]
Encoding = Literal["GSM-7", "UCS-2"]
Identifier = Annotated[str, Meta(min_length=1, max_length=64)]
UserId = Annotated[int, Meta(ge=1, le=2**53 - 1)]
PhoneNumber = Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{1,14}" + PATTERN_END, max_length=16)]
ErrorCode = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
CountryCode = Annotated[str, Meta(pattern=r"^[A-Z]{2}" + PATTERN_END)]
MccMnc = Annotated[str, Meta(pattern=r"^[0-9]{5,6}" + PATTERN_END)]
Price = Annotated[
    str, Meta(pattern=r"^-?(0?[0-9]{1,6}(\.[0-9]{1,12})?|1000000(\.0{1,12})?)" + PATTERN_END)
]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}" + PATTERN_END)]
Timestamp = Annotated[
    str,
    Meta(
        # RFC 3339 sets no limit to the fraction's digits. Second 60 is refused: a leap second
        # within the message retention would have to be announced half a year before.
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"[Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
        r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])" + PATTERN_END,
        max_length=40,
    ),
]


class UsageEvent(msgspec.Struct, gc=False):
    """One event as published: a message, or a later change of its status or price.

    `processing_time_ms` is time in the router in ms; `price` is what the provider charged, a
    decimal string whose sign is ignored, at most 1,000,000; `occurred_at` is RFC 3339 with an
    offset, kept as text because decoding to a datetime would round what must be truncated.
    Unknown fields (among them `body`) are dropped by the decoder.
    """

    event_id: Identifier
    message_sid: Identifier
    occurred_at: Timestamp
    type: Kind = "message"
    user_id: UserId | msgspec.UnsetType = msgspec.UNSET
    phone_number: PhoneNumber | msgspec.UnsetType = msgspec.UNSET
    direction: Direction | msgspec.UnsetType = msgspec.UNSET
    message_type: MessageType = "sms"
    status: Status | msgspec.UnsetType = msgspec.UNSET
    error_code: ErrorCode | None = None
    segments: Annotated[int, Meta(ge=1, le=100)] = 1
    encoding: Encoding | None = None
    non_gsm_characters: Annotated[int, Meta(ge=0, le=65535)] = 0
    num_media: Annotated[int, Meta(ge=0, le=10)] = 0
    body_length: Annotated[int, Meta(ge=0, le=65535)] = 0
    processing_time_ms: Annotated[float, Meta(ge=0, le=86_400_000)] | None = None
    country_code: CountryCode | None = None
    counterparty: PhoneNumber | None = None
    mcc_mnc: MccMnc | None = None
    price: Price | None = None
    price_unit: Currency = "USD"


REQUIRED: dict[str, tuple[str, ...]] = {"message": ("direction",), "status": ("status",)}
"""Beyond the fields that every event needs, and one of `user_id` and `phone_number`."""

MAX_PRICE_USD = 1_000_000

REJECT_REASONS: tuple[str, ...] = (
    "invalid_json",
    "invalid_field",
    "missing_field",
    "too_large",
    "invalid_key",
    "in_future",
    "too_old",
    "unsupported_currency",
    "orphan_status",
    "quarantined",
)
"""Why a record lies in the dead-letter topic. `quarantined`: an operator moved it there."""
