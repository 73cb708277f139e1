"""Messages and cells as rows of ClickHouse, there and back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import astuple

from schemas.rows import (
    COST_SOURCES,
    COUNTERS,
    DIRECTIONS,
    ENCODINGS,
    MESSAGE_TYPES,
    SPARSE,
    STATUS_CODES,
    USER_DECISIONS,
    USER_TABLES,
)
from streams.core.cells import WIDTH, CellTable, Ints, Key, Sparse
from streams.core.fold import combination, combination_parts
from streams.core.message import Message
from streams.native import Block

MESSAGE_COLUMNS = (
    "message_sid, user_id, toUnixTimestamp64Milli(occurred_at), first_position, version,"
    " toString(user_decision), phone_hash, counterparty_hash, toString(direction),"
    " toString(message_type), toString(country_code), toString(mcc_mnc), toString(status),"
    " error_code, segments, toString(encoding), non_gsm_characters, num_media, body_length,"
    " processing_us, latency_ms, toString(cost_source), base_micros, carrier_fee_micros,"
    " failed_fee_micros, provisional_micros, rate_base_micros, rate_carrier_micros,"
    " rate_failed_micros, gsm_saved_segments, trimmed_saved_segments"
)
"""A `usage_log` row in the order of `Message`'s fields."""

_NUMBERS = (
    ("user_id", "user_id", "UInt64"),
    ("occurred_at", "occurred_ms", "DateTime64(3, 'UTC')"),
    ("version", "version", "UInt64"),
    ("first_position", "position", "UInt64"),
    ("phone_hash", "phone_hash", "UInt64"),
    ("counterparty_hash", "counterparty_hash", "UInt64"),
    ("segments", "segments", "UInt8"),
    ("non_gsm_characters", "non_gsm_characters", "UInt16"),
    ("num_media", "num_media", "UInt8"),
    ("body_length", "body_length", "UInt16"),
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
_ENUMS: tuple[tuple[str, dict[Any, int]], ...] = (
    ("user_decision", USER_DECISIONS),
    ("direction", DIRECTIONS),
    ("message_type", MESSAGE_TYPES),
    ("status", STATUS_CODES),
    ("encoding", ENCODINGS),
    ("cost_source", COST_SOURCES),
)
_HISTORY = (
    ("history_position", "UInt64"),
    ("history_status", "UInt8"),
    ("history_error_code", "Nullable(Int32)"),
    ("history_price_micros", "Nullable(Int64)"),
    ("history_at_ms", "Int64"),
    ("history_fee_exempt", "UInt8"),
)


def usage_block(messages: Sequence[Message], sources: Sequence[int]) -> Block:
    """`usage_log` rows of messages that have no history yet beyond their first entry."""
    block = Block(len(messages))
    fields = dict(
        zip(Message.__struct_fields__, zip(*map(astuple, messages), strict=True), strict=True)
    )
    block.texts("message_sid", fields["sid"])
    block.numbers("source", "UInt32", sources)
    for column, field, kind in _NUMBERS:
        block.numbers(column, kind, fields[field])
    for name, codes in _ENUMS:
        block.numbers(name, "Int8", list(map(codes.__getitem__, fields[name])))
    block.fixed_texts("country_code", 2, fields["country"])
    block.texts("mcc_mnc", fields["mcc_mnc"])
    block.nullable("error_code", "Int32", fields["error_code"])
    block.nullable("processing_us", "Int64", fields["processing_us"])
    block.nullable("latency_ms", "Int64", fields["latency_ms"])
    for name, kind in _HISTORY:
        block.empty_arrays(name, kind)
    return block


def message_of(row: Sequence[Any]) -> Message:
    """A message from a row selected as `MESSAGE_COLUMNS`."""
    values = list(row)
    if values[15] == "unknown":
        values[15] = None
    return Message(*values)


class Histograms(NamedTuple):
    """One kind of sparse histogram of some cells: entries a cell, then all keys and counts."""

    sizes: Ints
    keys: Ints
    counts: Ints


class CellRows(NamedTuple):
    """A copy of some cells of one table and source, as they were when it was taken."""

    source: int
    keys: list[Key]
    last: Ints
    counters: Ints
    sparse: list[Histograms]


def copy_dirty(table: CellTable, source: int) -> CellRows:
    """Copy the dirty cells and mark them clean."""
    dirty, table.dirty = table.dirty, set()
    rows = sorted(dirty)
    index = np.array(rows, np.int64)
    keys: list[Any] = [table.keys[row] for row in rows]
    sparse = [_flat([cells[row] or _NONE for row in rows]) for cells in table.sparse]
    return CellRows(source, keys, table.last[index], table.counters[index], sparse)


_NONE: Sparse = {}


def _flat(cells: list[Sparse]) -> Histograms:
    sizes = np.fromiter(map(len, cells), np.int64, len(cells))
    total = int(sizes.sum())
    keys = np.fromiter(chain.from_iterable(cells), np.int64, total)
    counts = np.fromiter(chain.from_iterable([cell.values() for cell in cells]), np.int64, total)
    return Histograms(sizes, keys, counts)


def cell_block(name: str, parts: Sequence[CellRows]) -> Block:
    """Rows of one table of cells, of one or more sources."""
    keys = [key for part in parts for key in part.keys]
    block = Block(len(keys))
    combinations = [combination_parts(key[2]) for key in keys]
    if name in USER_TABLES:
        block.numbers("user_id", "UInt64", [key[0] for key in keys])
    block.numbers("bucket", "DateTime('UTC')", [key[1] // 1000 for key in keys])
    block.numbers("direction", "Int8", [parts[0] for parts in combinations])
    block.numbers("message_type", "Int8", [parts[1] for parts in combinations])
    block.fixed_texts("country_code", 2, [parts[2] for parts in combinations])
    sources = np.repeat([part.source for part in parts], [len(part.keys) for part in parts])
    block.numbers("source", "UInt32", sources)
    block.numbers("version", "UInt64", np.concatenate([part.last for part in parts]))
    counters = np.concatenate([part.counters for part in parts])
    for column, counter in enumerate(COUNTERS):
        block.numbers(counter, "Int64", counters[:, column])
    for kind, columns in enumerate(SPARSE):
        _sparse_columns(block, *columns, [part.sparse[kind] for part in parts])
    return block


def _sparse_columns(
    block: Block, key_column: str, count_column: str, key_type: str, parts: list[Histograms]
) -> None:
    """Two parallel arrays a row, in order of the key, so that equal cells are equal bytes."""
    sizes, keys, counts = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((keys, np.repeat(np.arange(len(sizes)), sizes)))
    ends = np.cumsum(sizes)
    block.arrays(key_column, key_type, ends, keys[order])
    block.arrays(count_column, "Int64", ends, counts[order])


def cell_columns(name: str) -> str:
    """The columns of a table of cells in the order that `load_cell` takes."""
    user = "user_id" if name in USER_TABLES else "0"
    sparse = ", ".join(f"{keys}, {counts}" for keys, counts, _ in SPARSE)
    return (
        f"{user}, toUnixTimestamp(bucket), toString(direction), toString(message_type),"
        f" toString(country_code), version, {', '.join(COUNTERS)}, {sparse}"
    )


def load_cell(table: CellTable, row: Sequence[Any]) -> None:
    """Put a row selected as `cell_columns` into its table of hot cells."""
    user_id, bucket_s, direction, message_type, country, last = row[:6]
    codes, code_counts, bins, bin_counts, latencies, latency_counts = row[6 + WIDTH :]
    table.load(
        (user_id, bucket_s * 1000, combination(direction, message_type, country)),
        last,
        row[6 : 6 + WIDTH],
        (
            dict(zip(codes, code_counts, strict=True)),
            dict(zip(bins, bin_counts, strict=True)),
            dict(zip(latencies, latency_counts, strict=True)),
        ),
    )
