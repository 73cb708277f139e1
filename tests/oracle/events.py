"""What a usage event says, in exact numbers; contract section 2."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

_RFC_3339 = re.compile(r"(.{19})(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", re.IGNORECASE)
USD_ONLY = {"USD": "1"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    """One statement about a message: its status, error code and price (micros) at a time."""

    status: str
    error_code: int | None
    price_micros: int | None
    at_ms: int


def load(value: bytes) -> dict[str, Any]:
    """The event's fields; numbers with a fraction stay decimal."""
    fields: dict[str, Any] = json.loads(value, parse_float=Decimal)
    return fields


def direction_of(fields: dict[str, Any]) -> str:
    """`inbound` or `outbound`."""
    return "inbound" if fields["direction"] == "inbound" else "outbound"


def entry_of(fields: dict[str, Any], usd_per_unit: Mapping[str, str] = USD_ONLY) -> Entry:
    """What a message or status event says about its message."""
    status = fields.get("status")
    if status is None:
        status = "received" if direction_of(fields) == "inbound" else "sent"
    return Entry(
        status,
        fields.get("error_code"),
        _price_micros(fields.get("price"), usd_per_unit[fields.get("price_unit") or "USD"]),
        instant_ms(fields["occurred_at"]),
    )


def _price_micros(price: str | None, usd_per_unit: str) -> int | None:
    if price is None:
        return None
    return _half_even(abs(Decimal(price)) * Decimal(usd_per_unit) * 1_000_000)


def processing_us(fields: dict[str, Any]) -> int | None:
    """The time in the router as whole µs, half-even."""
    time_ms = fields.get("processing_time_ms")
    return None if time_ms is None else _half_even(Decimal(time_ms) * 1000)


def _half_even(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_EVEN))


def instant_ms(text: str) -> int:
    """An RFC 3339 instant as ms since the epoch; digits beyond ms are cut off."""
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise ValueError(f"not RFC 3339: {text}")
    whole, fraction, offset = match.groups()
    elapsed = datetime.fromisoformat(whole + offset.upper()) - _EPOCH
    ms = int(((fraction or "") + "000")[:3])
    return (elapsed.days * 86_400 + elapsed.seconds) * 1000 + ms
