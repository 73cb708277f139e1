"""The usage log: `GET /me/messages` and `GET /me/messages/{message_sid}`.

No phone number is in it: of the other party only the country and a keyed hash are kept.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class LoggedMessage(BaseModel):
    """One message as last known."""

    message_sid: str
    occurred_at: datetime
    direction: str
    message_type: str
    status: str
    error_code: int | None
    error_description: str | None = Field(description="Null for a code without a name.")
    error_class: str | None = Field(description="What kind of remedy helps; null where none does.")
    country_code: str = Field(description="Of the other party; `ZZ` when it is not known.")
    counterparty_hash: str | None = Field(
        description="The same for the same number; null where none was given."
    )
    mcc_mnc: str | None
    segments: int
    encoding: str | None
    non_gsm_characters: int
    num_media: int
    body_length: int = Field(description="Characters; the text itself is never stored.")
    processing_time_ms: float | None
    latency_ms: int | None = Field(
        description="From `occurred_at` to the delivery, as its first receipt says."
    )
    cost_usd: float
    cost_micros: int
    carrier_fee_micros: int
    failed_fee_micros: int
    provisional_micros: int = Field(description="May still be replaced by a provider's price.")
    cost_source: str
    rate_origin: str = Field(
        description="Where the rate came from that a cost without the provider's price is of: "
        "`twilio` (its Pricing API), `loaded` (a card of the operator's), `bundled`, or `none`."
    )


class TimelineEntry(BaseModel):
    """One thing that was said about a message, and when it happened."""

    at: datetime
    status: str
    error_code: int | None
    error_description: str | None
    error_class: str | None
    price_usd: float | None
    price_micros: int | None


class MessagePage(BaseModel):
    """One page of a user's messages, newest first."""

    user_id: int
    messages: list[LoggedMessage]
    next_cursor: str | None = Field(
        description="Ask again with `cursor` set to it for the next page; null on the last."
    )
    generated_at: datetime
    data_as_of: datetime | None


class MessageDetail(LoggedMessage):
    """One message with its timeline, earliest first."""

    user_id: int
    timeline: list[TimelineEntry]
    generated_at: datetime
    data_as_of: datetime | None
