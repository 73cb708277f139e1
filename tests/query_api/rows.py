"""Rows as the SQL questions give them: columns that are not named are 0."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from query_api.questions import Row
from query_api.trend import Totals
from schemas.statuses import STATUSES

_TREND = {field.name: 0 for field in fields(Totals)}
_BREAKDOWN = dict.fromkeys(
    (
        "messages",
        "segments",
        *(f"status_{status}" for status in STATUSES),
        "base_micros",
        "carrier_fee_micros",
        "failed_fee_micros",
        "provisional_micros",
        "processing_count",
        "processing_sum_us",
        "processing_max_us",
    ),
    0,
)

_ARRAYS = ("processing_bins", "processing_counts", "error_codes", "error_messages")


def trend_row(slot: int, **counters: int) -> Row:
    """A row of `slots.trend`."""
    return {"slot": slot} | _TREND | counters


def breakdown_row(
    direction: str = "outbound", message_type: str = "sms", country: str = "US", **counters: Any
) -> Row:
    """A row of `cells.breakdown`; one of `system_breakdown` has no arrays."""
    key = {"direction": direction, "message_type": message_type, "country": country}
    return key | _BREAKDOWN | {name: [] for name in _ARRAYS} | counters
