"""ClickHouse rows: the columns of every table that the worker writes, in the tables' order.

The migrations beside this file create the tables; a test compares the two.
"""

from __future__ import annotations

from schemas.statuses import STATUSES

USAGE_LOG = "usage_log"
USER_15M = "user_usage_15m"
USER_TOTALS_15M = "user_totals_15m"
"""Some of the same cells' columns in order of time, filled by ClickHouse itself."""
USER_1D = "user_usage_1d"
SYSTEM_1M = "system_usage_1m"
SYSTEM_15M = "system_usage_15m"
SYSTEM_1D = "system_usage_1d"
SYSTEM_TOTALS_15M = "system_totals_15m"
"""The system's totals by direction alone."""
PROGRESS = "source_progress"
LOG_DECISION = "log_decision"
ORPHANS = "orphan_status"
RATE_UPDATES = "rate_card_updates"
ERASURES = "erasures"
PHONES_SEEN = "phones_seen"
"""Which numbers users have, by the messages in the usage log; filled by ClickHouse itself."""

USER_TABLES = (USER_15M, USER_1D)
SYSTEM_TABLES = (SYSTEM_1M, SYSTEM_15M, SYSTEM_TOTALS_15M, SYSTEM_1D)
CELL_TABLES = USER_TABLES + SYSTEM_TABLES
"""In the order in which a flush writes them. Days come last of the users' and of the system's:
whoever sees that a day has changed sees what else has changed with it."""

WIDTH_MS = {
    USER_15M: 900_000,
    USER_1D: 86_400_000,
    SYSTEM_1M: 60_000,
    SYSTEM_15M: 900_000,
    SYSTEM_1D: 86_400_000,
    SYSTEM_TOTALS_15M: 900_000,
}

DIRECTIONS = {"inbound": 1, "outbound": 2}
MESSAGE_TYPES = {"sms": 1, "mms": 2}
ENCODINGS = {None: 0, "GSM-7": 1, "UCS-2": 2}
STATUS_CODES = {status: code for code, status in enumerate(STATUSES, 1)}
USER_DECISIONS = {
    "event": 1,
    "mapping": 2,
    "unresolved": 3,
    "consent_withdrawn": 4,
    "erased": 5,
}
COST_SOURCES = {"provider": 1, "rate_card": 2, "fallback": 3}
RATE_ORIGINS = {"none": 0, "bundled": 1, "loaded": 2, "twilio": 3}
"""Where the rate of a message came from: no rate applied (or the message was folded before this
was noted), the bundled card, a card that an operator loaded, Twilio's Pricing API."""

COUNTERS: tuple[str, ...] = (
    "messages",
    "segments",
    "body_length",
    *(f"status_{status}" for status in STATUSES),
    "base_micros",
    "carrier_fee_micros",
    "failed_fee_micros",
    "provisional_micros",
    "processing_count",
    "processing_sum_us",
    "processing_max_us",
    "latency_count",
    "latency_sum_ms",
    "latency_max_ms",
    "ucs2_messages",
    "gsm_saved_segments",
    "trimmed_saved_segments",
)
"""Signed Int64 of a cell. All but the two maxima merge by addition; a message's total cost is
base + carrier fee + failed fee, of which `provisional_micros` may still be replaced."""

MAXIMA = ("processing_max_us", "latency_max_ms")

SPARSE: tuple[tuple[str, str, str], ...] = (
    ("error_codes", "error_messages", "Int32"),
    ("processing_bins", "processing_counts", "UInt16"),
    ("latency_bins", "latency_counts", "UInt16"),
)
"""Parallel arrays (keys, Int64 counts, key type) of a cell; bins are `schemas.histogram`'s."""

USER_KEY = ("user_id", "bucket", "direction", "message_type", "country_code", "source")
SYSTEM_KEY = ("bucket", "direction", "message_type", "country_code", "source")
CELL_KEYS = {
    **dict.fromkeys(USER_TABLES, USER_KEY),
    **dict.fromkeys(SYSTEM_TABLES, SYSTEM_KEY),
    SYSTEM_TOTALS_15M: ("bucket", "direction", "source"),
}

TOTALS = (
    *("messages", "segments", "body_length"),
    *("good", "bad", "canceled", "cost_micros"),
)
"""A user's cell of 15 minutes as one array: settled messages are good or bad; cost in micro-USD."""

FREQUENT_STATUSES = (
    *("delivered", "received", "sent", "failed", "undelivered", "read", "queued", "sending"),
    *("accepted", "receiving", "partially_delivered", "scheduled", "canceled"),
)
"""A user's cell as one array of messages by status, without the zeros at its end."""

SAVINGS = (
    *("cost_micros", "arrived", "failed"),
    *("gsm_messages", "gsm_segments", "gsm_micros"),
    *("trimmed_messages", "trimmed_segments", "trimmed_micros"),
    *("with_media", "empty_messages", "empty_micros", "empty_segments"),
)
"""What advice sums of an outbound message as one array, without the zeros at its end: whether it
arrived or failed; messages, segments and micro-USD that plain characters would have saved, and a
shorter text; MMS with media, and without any: their micro-USD, and their segments as SMS."""

SUMMED = {
    USER_15M: ("totals", "statuses"),
    USER_1D: ("statuses", "good", "bad", "cost_micros"),
    USAGE_LOG: ("savings",),
}
"""What each table has summed: arrays, and single ones of `TOTALS`. The orders are those of
migrations 38, 40, 42 and 55, by which ClickHouse computes those of rows that are written without
them."""

WRITING = {
    "insert_allow_materialized_columns": 1,
    "input_format_defaults_for_omitted_fields": 0,
}
"""Settings of an insert that names every column of its table, these too: to look for columns
that are left out took a tenth of it."""
