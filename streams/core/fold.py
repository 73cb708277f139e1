"""Messages into cells: each message once into its user's and the system's rollups.

Five tables hold the same counters at different grains. A batch becomes one matrix of deltas, a
row a change, which every table groups by its own cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from schemas.histogram import EXACT_BITS, SUB_BITS
from schemas.rows import (
    ENCODINGS,
    STATUS_CODES,
    SYSTEM_1D,
    SYSTEM_1M,
    SYSTEM_15M,
    USER_1D,
    USER_15M,
    WIDTH_MS,
)
from streams.core.cells import (
    COLUMN,
    KEY,
    WIDTH,
    CellTable,
    Ints,
    Keys,
    Sums,
    add_up,
    combination,
)
from streams.core.message import UNKNOWN_USER, Messages
from streams.core.pricing import distinct

MINUTE_KEPT_MS = 48 * 3_600_000
"""How long minutes are kept: older ones, by log time, are not written at all."""

_PLAIN = (
    "segments",
    "body_length",
    "base_micros",
    "carrier_fee_micros",
    "failed_fee_micros",
    "provisional_micros",
    "gsm_saved_segments",
    "trimmed_saved_segments",
)
_FIRST_STATUS = COLUMN["status_accepted"] - STATUS_CODES["accepted"]


class Batch(NamedTuple):
    """Messages that are counted in one chunk; `positions` rise, `record_ms` is log time."""

    messages: Messages
    positions: Ints
    record_ms: Ints


class Groups(NamedTuple):
    """Which cell of one table each message of a batch belongs to.

    `events` are the indices of the messages that have a cell there, `of_event` the index into
    `keys` for each of these. `finer`, where given, is the group of a finer table that the
    messages were grouped by before, and `of_finer` the group here for each of its groups.
    """

    events: Ints
    of_event: Ints
    keys: Keys
    finer: str | None = None
    of_finer: Ints | None = None


def group(batch: Batch) -> dict[str, Groups]:
    """The cells of a batch, by table.

    User 0 has no user cells; minutes that began more than 48 h before the record have none.
    """
    messages = batch.messages
    at, users = messages["occurred_ms"], messages["user_id"]
    codes = combination(
        messages["direction"], messages["message_type"], messages["country"].astype(np.int64)
    )
    everything = np.arange(len(messages))
    known = np.flatnonzero(users != UNKNOWN_USER)
    minutes = at - at % WIDTH_MS[SYSTEM_1M]
    kept = np.flatnonzero(minutes >= batch.record_ms - MINUTE_KEPT_MS)
    system = np.zeros(len(everything), np.int64)
    user_15m = _group(USER_15M, known, users[known], at[known], codes[known])
    system_15m = _group(SYSTEM_15M, everything, system, at, codes)
    return {
        USER_15M: user_15m,
        USER_1D: _coarser(USER_1D, USER_15M, user_15m),
        SYSTEM_1M: _group(SYSTEM_1M, kept, system[kept], at[kept], codes[kept]),
        SYSTEM_15M: system_15m,
        SYSTEM_1D: _coarser(SYSTEM_1D, SYSTEM_15M, system_15m),
    }


def fold(tables: Mapping[str, CellTable], groups: Mapping[str, Groups], batch: Batch) -> None:
    """Apply a batch to the cells that `group` named, which must be here if they are anywhere.

    An event touches a cell only if its position is beyond the cell's last (rule 2), so what was
    applied before a restart is not applied again.
    """
    deltas = deltas_of(batch.messages)
    counts = _counts(batch.messages)
    sums: dict[str, Sums] = {}
    for name, part in groups.items():
        if not len(part.keys):
            continue
        table = tables[name]
        rows = table.rows_of(part.keys)
        events, of_event = part.events, part.of_event
        positions = batch.positions[events]
        fresh = positions > table.last[rows][of_event]
        if not fresh.all():
            events, of_event = events[fresh], of_event[fresh]
            total = add_up(deltas[events], positions[fresh], of_event, len(rows))
        elif part.of_finer is not None and part.finer in sums:
            finer = sums[part.finer]
            total = add_up(finer.deltas, finer.last, part.of_finer, len(rows))
        else:
            total = sums[name] = add_up(deltas[events], positions, of_event, len(rows))
        table.add(rows[total.groups], total.deltas, total.last)
        row_of = np.full(len(batch.messages), -1, np.int64)
        row_of[events] = rows[of_event]
        for sparse, (indices, keys, signs) in zip(table.sparse, counts, strict=False):
            touched = row_of[indices]
            here = touched >= 0
            sparse.add(touched[here], keys[here], signs[here])


def _group(table: str, events: Ints, users: Ints, at: Ints, codes: Ints) -> Groups:
    """Group messages by user (0 for the system), bucket of `table`, and combination."""
    buckets_s = (at - at % WIDTH_MS[table]) // 1000
    first, of_event = distinct(np.stack([buckets_s << 16 | codes, users]))
    keys: Keys = np.zeros(len(first), KEY)
    keys["user_id"], keys["bucket_s"] = users[first], buckets_s[first]
    keys["combination"] = codes[first]
    return Groups(events, of_event, keys)


def _coarser(table: str, finer_name: str, finer: Groups) -> Groups:
    """The groups of a table whose buckets are whole buckets of a finer one."""
    if not len(finer.keys):
        return finer
    keys = finer.keys
    codes = keys["combination"].astype(np.int64)
    again = _group(table, finer.events, keys["user_id"], keys["bucket_s"] * 1000, codes)
    of_finer = again.of_event
    return Groups(finer.events, of_finer[finer.of_event], again.keys, finer_name, of_finer)


def _counts(messages: Messages) -> list[tuple[Ints, Ints, Ints]]:
    """What the histograms count: indices of messages, their error codes or bins, and 1 each."""
    coded = np.flatnonzero(messages["has_error"])
    timed = np.flatnonzero(messages["processing_us"] >= 0)
    keys = (
        messages["error_code"][coded].astype(np.int64),
        bins_of(messages["processing_us"][timed]),
    )
    return [
        (places, of_place, np.ones(len(places), np.int64))
        for places, of_place in zip((coded, timed), keys, strict=True)
    ]


def bins_of(values: Ints) -> Ints:
    """`schemas.histogram.bin_of` of each value (0 … 2^53)."""
    shifts = np.frexp(values.astype(np.float64))[1].astype(np.int64) - EXACT_BITS
    return np.where(shifts <= 0, values, (shifts << SUB_BITS) + (values >> np.maximum(shifts, 0)))


def deltas_of(messages: Messages) -> Ints:
    """What each message adds to its cells: a matrix of `len(messages)` × `WIDTH`."""
    count = len(messages)
    deltas = np.zeros((count, WIDTH), np.int64)
    deltas[:, COLUMN["messages"]] = 1
    for name in _PLAIN:
        deltas[:, COLUMN[name]] = messages[name]
    deltas[np.arange(count), _FIRST_STATUS + messages["status"].astype(np.int64)] = 1
    times = messages["processing_us"]
    timed = times >= 0
    deltas[:, COLUMN["processing_count"]] = timed
    deltas[:, COLUMN["processing_sum_us"]] = np.where(timed, times, 0)
    deltas[:, COLUMN["processing_max_us"]] = deltas[:, COLUMN["processing_sum_us"]]
    deltas[:, COLUMN["ucs2_messages"]] = messages["encoding"] == ENCODINGS["UCS-2"]
    return deltas
