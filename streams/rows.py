"""Messages and cells as rows of ClickHouse, there and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any

import numpy as np

from schemas.native import Block
from schemas.native_answers import Column, Nullable
from schemas.rows import CELL_KEYS, COUNTERS, SPARSE, USER_TABLES
from streams.core.cells import KEY, WIDTH, CellRows, Keys, combination, combination_parts
from streams.core.columns import Flags, Ints
from streams.core.counts import Histograms
from streams.core.history import Entry
from streams.core.message import MESSAGE, Messages
from streams.core.orphans import Orphan, at_rest
from streams.core.recent import MessageRows
from streams.core.shapes import country_text
from streams.summed import add_cells, add_messages

MESSAGE_COLUMNS = (
    "message_sid, user_id, toUnixTimestamp64Milli(occurred_at), first_position, version,"
    " CAST(user_decision, 'Int8'), phone_hash, counterparty_hash, CAST(direction, 'Int8'),"
    " CAST(message_type, 'Int8'), country_code,"
    " CAST(mcc_mnc, 'FixedString(6)'),"
    " CAST(status, 'Int8'), isNotNull(error_code), ifNull(error_code, 0), segments,"
    " CAST(encoding, 'Int8'), non_gsm_characters, num_media, body_length,"
    " ifNull(processing_us, -1), ifNull(latency_ms, -1), CAST(cost_source, 'Int8'), base_micros,"
    " carrier_fee_micros, failed_fee_micros, provisional_micros, rate_base_micros,"
    " rate_carrier_micros, rate_failed_micros, CAST(rate_origin, 'Int8'), gsm_saved_segments,"
    " trimmed_saved_segments, history_position, history_status, history_error_code,"
    " history_price_micros, history_at_ms, history_fee_exempt"
)
"""A `usage_log` row: its sid, the fields of `MESSAGE` in their order, its history."""

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
    ("rate_origin", "rate_origin", "Int8"),
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


def usage_block(
    sids: Sequence[bytes],
    messages: Messages,
    histories: Mapping[int, Sequence[Entry]],
    sources: Ints,
) -> Block:
    """`usage_log` rows; `histories` by place, of the messages with more than their own entry."""
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
    sizes = np.zeros(len(messages), np.int64)
    sizes[list(histories)] = [len(entries) for entries in histories.values()]
    entries = [entry for place in sorted(histories) for entry in histories[place]]
    for (name, kind), values in zip(_HISTORY, _columns(entries), strict=True):
        block.arrays(name, kind, np.cumsum(sizes), values)
    add_messages(block, messages)
    return block


def _columns(entries: Sequence[Entry]) -> list[list[Any]]:
    return [list(column) for column in zip(*entries, strict=True)] or [[] for _ in _HISTORY]


def _entry(values: Sequence[Any]) -> Entry:
    position, status, error_code, price_micros, at_ms, is_exempt = values
    return Entry(position, status, error_code, price_micros, at_ms, bool(is_exempt))


def messages_of(blocks: Sequence[Sequence[Column]]) -> MessageRows:
    """Messages from blocks of an answer with the columns `MESSAGE_COLUMNS`."""
    sids: list[bytes] = []
    histories: dict[int, list[Entry]] = {}
    parts = [np.zeros(0, MESSAGE)]
    for names, *columns in blocks:
        messages = np.zeros(len(names), MESSAGE)
        fields = MESSAGE.names or ()
        for field, column in zip(fields, columns, strict=False):
            messages[field] = _numbers(column) if field == "country" else column
        histories |= _histories(columns[len(fields) :], len(sids))
        sids += names
        parts.append(messages)
    return MessageRows(sids, np.concatenate(parts), histories)


def some_messages(messages: MessageRows, chosen: Flags) -> MessageRows:
    """Those messages that are chosen."""
    places = np.cumsum(chosen) - 1
    histories = {
        int(places[place]): entries
        for place, entries in messages.histories.items()
        if chosen[place]
    }
    return MessageRows(list(compress(messages.sids, chosen)), messages.messages[chosen], histories)


def _histories(columns: Sequence[Column], first: int) -> dict[int, list[Entry]]:
    """The entries of those messages of a block that have any; its own first place is `first`."""
    ends = columns[0].ends.tolist()
    if not ends or not ends[-1]:
        return {}
    lists = [_with_nulls(column.values) for column in columns[: len(_HISTORY)]]
    entries = [_entry(values) for values in zip(*lists, strict=True)]
    starts = [0, *ends[:-1]]
    spans = enumerate(zip(starts, ends, strict=True), first)
    return {place: entries[start:end] for place, (start, end) in spans if start < end}


def _with_nulls(column: Column) -> list[Any]:
    if isinstance(column, Nullable):
        values = zip(column.is_null.tolist(), column.values.tolist(), strict=True)
        return [None if is_null else value for is_null, value in values]
    values_of_all: list[Any] = column.tolist()
    return values_of_all


def orphan_block(orphans: Sequence[Orphan]) -> Block:
    """Rows of `orphan_status`, in which no phone number rests."""
    orphans = [at_rest(orphan) for orphan in orphans]
    block = Block(len(orphans))
    entries = [orphan.entry for orphan in orphans]
    block.numbers("source", "UInt32", [orphan.source for orphan in orphans])
    block.numbers("position", "UInt64", [entry.position for entry in entries])
    block.texts("message_sid", [orphan.sid for orphan in orphans])
    block.numbers("status", "UInt8", [entry.status for entry in entries])
    for name, kind, column in (
        ("error_code", "Int32", [entry.error_code for entry in entries]),
        ("price_micros", "Int64", [entry.price_micros for entry in entries]),
    ):
        is_null = np.array([value is None for value in column], np.bool_)
        block.nullable(name, kind, [value or 0 for value in column], is_null)
    block.numbers("at_ms", "Int64", [entry.at_ms for entry in entries])
    block.numbers("fee_exempt", "UInt8", [entry.is_exempt for entry in entries])
    block.numbers("record_ms", "Int64", [orphan.record_ms for orphan in orphans])
    block.texts("record_key", [orphan.key for orphan in orphans])
    block.texts("record_value", [orphan.value for orphan in orphans])
    block.numbers("user_id", "UInt64", [orphan.user_id for orphan in orphans])
    block.numbers("is_gone", "UInt8", [orphan.is_gone for orphan in orphans])
    return block


ORPHAN_COLUMNS = (
    "source, message_sid, position, status, error_code, price_micros, at_ms, fee_exempt,"
    " record_ms, record_key, record_value, user_id"
)


def orphan_of(row: Sequence[Any]) -> Orphan:
    """An orphan from a row selected as `ORPHAN_COLUMNS`."""
    source, sid, *entry, is_exempt, record_ms, key, value, user_id = row
    return Orphan(
        source,
        sid.encode(),
        _entry([*entry, is_exempt]),
        record_ms,
        key.encode(),
        value.encode(),
        user_id=user_id,
    )


def cell_block(name: str, parts: Sequence[tuple[int, CellRows]]) -> Block:
    """Rows of one table of cells, of one or more sources."""
    keys = np.concatenate([cells.keys for _, cells in parts])
    direction, message_type, country = combination_parts(keys["combination"])
    block = Block(len(keys))
    if name in USER_TABLES:
        block.numbers("user_id", "UInt64", keys["user_id"])
    block.numbers("bucket", "DateTime('UTC')", keys["bucket_s"])
    block.numbers("direction", "Int8", direction)
    if "message_type" in CELL_KEYS[name]:
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
    add_cells(block, name, counters)
    return block


def cell_columns(name: str) -> str:
    """The columns of a table of cells in the order that `cells_of` takes."""
    user = "user_id" if name in USER_TABLES else "toUInt64(0)"
    kind = "CAST(message_type, 'Int8'), country_code"
    if "message_type" not in CELL_KEYS[name]:
        kind = "toInt8(1), toFixedString('', 2)"
    sparse = ", ".join(f"{keys}, {counts}" for keys, counts, _ in SPARSE)
    return (
        f"{user}, toUnixTimestamp(bucket), CAST(direction, 'Int8'), {kind},"
        f" version, {', '.join(COUNTERS)}, {sparse}"
    )


def cells_of(columns: Sequence[Column]) -> CellRows:
    """Cells from a block of an answer with the columns `cell_columns`."""
    user_id, bucket_s, direction, message_type, country, version, *others = columns
    keys: Keys = np.zeros(len(version), KEY)
    keys["user_id"], keys["bucket_s"] = user_id, bucket_s
    codes = (column.astype(np.int32) for column in (direction, message_type, _numbers(country)))
    keys["combination"] = combination(*codes)
    counters = np.stack(others[:WIDTH], axis=1)
    sparse = []
    for first in range(WIDTH, WIDTH + 2 * len(SPARSE), 2):
        entries, counts = others[first : first + 2]
        sizes = np.diff(entries.ends, prepend=0)
        sparse.append(Histograms(sizes, entries.values.astype(np.int64), counts.values))
    return CellRows(keys, version.astype(np.int64), counters, sparse)


def some_cells(cells: CellRows, chosen: Flags) -> CellRows:
    """Those cells that are chosen."""
    return CellRows(
        cells.keys[chosen],
        cells.last[chosen],
        cells.counters[chosen],
        [
            Histograms(each.sizes[chosen], each.keys[of_it], each.counts[of_it])
            for each in cells.sparse
            for of_it in [np.repeat(chosen, each.sizes)]
        ],
    )


def _numbers(countries: Column) -> Column:
    """`country_number` of each FixedString(2), 0 of an empty one."""
    letters = countries.view(np.uint8).reshape(-1, 2).astype(np.int16)
    return np.where(letters[:, 0] == 0, 0, (letters[:, 0] - 65) * 26 + letters[:, 1] - 64)
