"""Messages and cells as rows of ClickHouse, there and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.rows import COUNTERS, SPARSE, USER_TABLES
from streams.core.cells import KEY, WIDTH, CellRows, Ints, Keys, combination, combination_parts
from streams.core.counts import Histograms
from streams.core.message import MESSAGE, Messages
from streams.core.recent import MessageRows
from streams.core.shapes import country_number, country_text
from streams.native import Block

MESSAGE_COLUMNS = (
    "message_sid, user_id, toUnixTimestamp64Milli(occurred_at), first_position, version,"
    " CAST(user_decision, 'Int8'), phone_hash, counterparty_hash, CAST(direction, 'Int8'),"
    " CAST(message_type, 'Int8'), toString(country_code), toString(mcc_mnc),"
    " CAST(status, 'Int8'), isNotNull(error_code), ifNull(error_code, 0), segments,"
    " CAST(encoding, 'Int8'), non_gsm_characters, num_media, body_length,"
    " ifNull(processing_us, -1), ifNull(latency_ms, -1), CAST(cost_source, 'Int8'), base_micros,"
    " carrier_fee_micros, failed_fee_micros, provisional_micros, rate_base_micros,"
    " rate_carrier_micros, rate_failed_micros, gsm_saved_segments, trimmed_saved_segments"
)
"""A `usage_log` row: its sid, then the fields of `MESSAGE` in their order."""

_NUMBERS = (
    ("user_id", "user_id", "UInt64"),
    ("occurred_at", "occurred_ms", "DateTime64(3, 'UTC')"),
    ("version", "version", "UInt64"),
    ("first_position", "position", "UInt64"),
    ("user_decision", "user_decision", "Int8"),
    ("phone_hash", "phone_hash", "UInt64"),
    ("counterparty_hash", "counterparty_hash", "UInt64"),
    ("direction", "direction", "Int8"),
    ("message_type", "message_type", "Int8"),
    ("status", "status", "Int8"),
    ("segments", "segments", "UInt8"),
    ("encoding", "encoding", "Int8"),
    ("non_gsm_characters", "non_gsm_characters", "UInt16"),
    ("num_media", "num_media", "UInt8"),
    ("body_length", "body_length", "UInt16"),
    ("cost_source", "cost_source", "Int8"),
    ("base_micros", "base_micros", "Int64"),
    ("carrier_fee_micros", "carrier_fee_micros", "Int64"),
    ("failed_fee_micros", "failed_fee_micros", "Int64"),
    ("provisional_micros", "provisional_micros", "Int64"),
    ("rate_base_micros", "rate_base_micros", "Int64"),
    ("rate_carrier_micros", "rate_carrier_micros", "Int64"),
    ("rate_failed_micros", "rate_failed_micros", "Int64"),
    ("gsm_saved_segments", "gsm_saved_segments", "UInt8"),
    ("trimmed_saved_segments", "trimmed_saved_segments", "UInt8"),
)
_HISTORY = (
    ("history_position", "UInt64"),
    ("history_status", "UInt8"),
    ("history_error_code", "Nullable(Int32)"),
    ("history_price_micros", "Nullable(Int64)"),
    ("history_at_ms", "Int64"),
    ("history_fee_exempt", "UInt8"),
)
_COUNTRIES = np.array([b"", *(country_text(n).encode() for n in range(1, 26 * 26 + 1))], "S2")


def usage_block(sids: Sequence[bytes], messages: Messages, sources: Ints) -> Block:
    """`usage_log` rows of messages that have no history yet beyond their first entry."""
    block = Block(len(messages))
    block.texts("message_sid", sids)
    block.numbers("source", "UInt32", sources)
    for column, field, kind in _NUMBERS:
        block.numbers(column, kind, messages[field])
    block.fixed_texts("country_code", _COUNTRIES[messages["country"]])
    block.texts("mcc_mnc", messages["mcc_mnc"].tolist())
    block.nullable("error_code", "Int32", messages["error_code"], ~messages["has_error"])
    for column in ("processing_us", "latency_ms"):
        block.nullable(column, "Int64", messages[column], messages[column] < 0)
    for name, kind in _HISTORY:
        block.empty_arrays(name, kind)
    return block


def messages_of(rows: Sequence[Sequence[Any]]) -> MessageRows:
    """Messages from rows selected as `MESSAGE_COLUMNS`."""
    country = 1 + (MESSAGE.names or ()).index("country")
    values = [(*row[1:country], country_number(row[country]), *row[country + 1 :]) for row in rows]
    return MessageRows([row[0].encode() for row in rows], np.array(values, MESSAGE))


def cell_block(name: str, parts: Sequence[tuple[int, CellRows]]) -> Block:
    """Rows of one table of cells, of one or more sources."""
    keys = np.concatenate([cells.keys for _, cells in parts])
    direction, message_type, country = combination_parts(keys["combination"])
    block = Block(len(keys))
    if name in USER_TABLES:
        block.numbers("user_id", "UInt64", keys["user_id"])
    block.numbers("bucket", "DateTime('UTC')", keys["bucket_s"])
    block.numbers("direction", "Int8", direction)
    block.numbers("message_type", "Int8", message_type)
    block.fixed_texts("country_code", _COUNTRIES[country])
    sources = np.repeat([source for source, _ in parts], [len(cells.keys) for _, cells in parts])
    block.numbers("source", "UInt32", sources)
    block.numbers("version", "UInt64", np.concatenate([cells.last for _, cells in parts]))
    counters = np.concatenate([cells.counters for _, cells in parts])
    for column, counter in enumerate(COUNTERS):
        block.numbers(counter, "Int64", counters[:, column])
    for kind, (key_column, count_column, key_type) in enumerate(SPARSE):
        histograms = [cells.sparse[kind] for _, cells in parts]
        sizes, codes, counts = (np.concatenate(part) for part in zip(*histograms, strict=True))
        ends = np.cumsum(sizes)
        block.arrays(key_column, key_type, ends, codes)
        block.arrays(count_column, "Int64", ends, counts)
    return block


def cell_columns(name: str) -> str:
    """The columns of a table of cells in the order that `cells_of` takes."""
    user = "user_id" if name in USER_TABLES else "0"
    sparse = ", ".join(f"{keys}, {counts}" for keys, counts, _ in SPARSE)
    return (
        f"{user}, toUnixTimestamp(bucket), CAST(direction, 'Int8'), CAST(message_type, 'Int8'),"
        f" toString(country_code), version, {', '.join(COUNTERS)}, {sparse}"
    )


def cells_of(rows: Sequence[Sequence[Any]]) -> CellRows:
    """Cells from rows selected as `cell_columns`."""
    keys: Keys = np.zeros(len(rows), KEY)
    for place, (user_id, bucket_s, direction, message_type, country) in enumerate(
        row[:5] for row in rows
    ):
        code = combination(direction, message_type, country_number(country))
        keys[place] = (user_id, bucket_s, code)
    last = np.array([row[5] for row in rows], np.int64)
    counters = np.array([row[6 : 6 + WIDTH] for row in rows], np.int64).reshape(-1, WIDTH)
    sparse = []
    for kind in range(len(SPARSE)):
        column = 6 + WIDTH + 2 * kind
        sizes = np.array([len(row[column]) for row in rows], np.int64)
        columns = [
            np.array([entry for row in rows for entry in row[column + which]], np.int64)
            for which in range(2)
        ]
        sparse.append(Histograms(sizes, *columns))
    return CellRows(keys, last, counters, sparse)
