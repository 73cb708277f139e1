"""Values that break one limit of the contract's table of fields, by field."""

from __future__ import annotations

from typing import Any

BAD_FIELDS: dict[str, tuple[Any, ...]] = {
    "type": ("reply", 1, None),
    "event_id": ("", "x" * 65, 7, None),
    "message_sid": ("", "x" * 65, 7, None),
    "user_id": (0, -1, 2**53, 1.5, "42", True),
    "phone_number": ("004915112345678", "+0123456789", "+1234567890123456", "+49 151 1", 49),
    "direction": ("sideways", "outbound-fax", None),
    "message_type": ("fax", "SMS", None),
    "status": ("lost", "Delivered", 3),
    "error_code": (2**31, -(2**31) - 1, "30003", 0.5),
    "segments": (0, 101, -1, "3", None),
    "encoding": ("utf-8", "gsm-7", 7),
    "non_gsm_characters": (-1, 65_536, "1"),
    "num_media": (-1, 11, "1"),
    "body_length": (-1, 65_536, "160", 1.5),
    "processing_time_ms": (-0.001, 86_400_000.5, "12", True),
    "country_code": ("us", "USA", "U", "U1", 1),
    "counterparty": ("4915112345678", "+", "+4915x12345678", 4915112345678),
    "mcc_mnc": ("3104", "3104100", "31o410", 310410),
    "price": ("free", "1e3", "", "0.0000000000001", "1000000.01", "--1", "USD 1", 0.0075),
    "price_unit": ("usd", "US", "EURO", None),
    "occurred_at": (
        "yesterday",
        "",
        "2026-03-01T12:00:00",
        "2026-03-01",
        "2026-02-30T12:00:00Z",
        "2026-03-01T25:00:00Z",
        1_772_000_000,
    ),
}
