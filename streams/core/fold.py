"""Messages into cells: each message once into its user's and the system's rollups.

Six tables hold the same counters at different grains. A batch becomes one matrix of deltas, a
row a change, which every table groups by its own cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from schemas.histogram import EXACT_BITS, MAX_VALUE, SUB_BITS
from schemas.rows import (
    ENCODINGS,
    STATUS_CODES,
    SYSTEM_1D,
    SYSTEM_1M,
    SYSTEM_15M,
    SYSTEM_TOTALS_15M,
    USER_1D,
    USER_15M,
    WIDTH_MS,
)
from streams.core.cells import (
    COLUMN,
    DIRECTION_ONLY,
    KEY,
    MAX_COLUMNS,
    WIDTH,
    CellTable,
    Keys,
    Sums,
    add_up,
    combination,
)
from streams.core.columns import Ints, distinct
from streams.core.message import UNKNOWN_USER, Messages

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
    """What one chunk changes: `positions` are those of the events, `record_ms` is log time.

    The last `len(before)` messages were counted before, in those states, and are now in these;
    the others are counted for the first time.
    """

    messages: Messages
    positions: Ints
    record_ms: Ints
    before: Messages


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
    at, codes = messages["occurred_ms"], _combinations(messages)
    everything = np.arange(len(messages))
    minutes = at - at % WIDTH_MS[SYSTEM_1M]
    kept = np.flatnonzero(minutes >= batch.record_ms - MINUTE_KEPT_MS)
    system = np.zeros(len(everything), np.int64)
    user_15m = group_by_user(batch)
    system_15m = _group(SYSTEM_15M, everything, system, at, codes)
    return {
        USER_15M: user_15m,
        USER_1D: _coarser(USER_1D, USER_15M, user_15m),
        SYSTEM_1M: _group(SYSTEM_1M, kept, system[kept], at[kept], codes[kept]),
        SYSTEM_15M: system_15m,
        SYSTEM_1D: _coarser(SYSTEM_1D, SYSTEM_15M, system_15m),
        SYSTEM_TOTALS_15M: _coarser(SYSTEM_TOTALS_15M, SYSTEM_15M, system_15m, DIRECTION_ONLY),
    }


def group_by_user(batch: Batch) -> Groups:
    """The 15-minute user cells of a batch; user 0 has none."""
    messages = batch.messages
    at, users, codes = messages["occurred_ms"], messages["user_id"], _combinations(messages)
    known = np.flatnonzero(users != UNKNOWN_USER)
    return _group(USER_15M, known, users[known], at[known], codes[known])


def _combinations(messages: Messages) -> Ints:
    country = messages["country"].astype(np.int64)
    codes: Ints = combination(messages["direction"], messages["message_type"], country)
    return codes


def fold(tables: Mapping[str, CellTable], groups: Mapping[str, Groups], batch: Batch) -> None:
    """Apply a batch to the cells that `group` named, which must be here if they are anywhere.

    An event touches a cell only if its position is beyond the cell's last (rule 2), so what was
    applied before a restart is not applied again.
    """
    deltas, counts = _changes(batch)
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
        for sparse, (indices, keys, signs) in zip(table.sparse, counts, strict=True):
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


def _coarser(table: str, finer_name: str, finer: Groups, mask: int = -1) -> Groups:
    """The groups of a table whose cells are whole cells of a finer one.

    `mask` leaves of a combination what the table tells apart.
    """
    if not len(finer.keys):
        return finer
    keys = finer.keys
    codes = keys["combination"].astype(np.int64) & mask
    again = _group(table, finer.events, keys["user_id"], keys["bucket_s"] * 1000, codes)
    of_finer = again.of_event
    return Groups(finer.events, of_finer[finer.of_event], again.keys, finer_name, of_finer)


Counts = tuple[Ints, Ints, Ints]
"""What one histogram counts: indices of messages, their codes or bins, and how many to add."""


def _changes(batch: Batch) -> tuple[Ints, list[Counts]]:
    """What each message of a batch adds: the rows of the matrix, and the histograms' entries."""
    deltas, counts = deltas_of(batch.messages), _counts(batch.messages, 0, 1)
    if len(batch.before):
        first = len(batch.messages) - len(batch.before)
        maxima = deltas[first:, MAX_COLUMNS]
        deltas[first:] -= deltas_of(batch.before)
        deltas[first:, MAX_COLUMNS] = maxima
        gone = _counts(batch.before, first, -1)
        counts = [
            (np.concatenate([a, d]), np.concatenate([b, e]), np.concatenate([c, f]))
            for (a, b, c), (d, e, f) in zip(counts, gone, strict=True)
        ]
    return deltas, counts


def _counts(messages: Messages, first: int, sign: int) -> list[Counts]:
    coded = np.flatnonzero(messages["has_error"])
    entries = [(coded, messages["error_code"][coded].astype(np.int64))]
    for name in ("processing_us", "latency_ms"):
        timed = np.flatnonzero(messages[name] >= 0)
        entries.append((timed, bins_of(np.minimum(messages[name][timed], MAX_VALUE))))
    return [(places + first, keys, np.full(len(places), sign)) for places, keys in entries]


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
    for name, unit in (("processing", "us"), ("latency", "ms")):
        times = messages[f"{name}_{unit}"]
        deltas[:, COLUMN[f"{name}_count"]] = times >= 0
        deltas[:, COLUMN[f"{name}_sum_{unit}"]] = np.maximum(times, 0)
        deltas[:, COLUMN[f"{name}_max_{unit}"]] = np.maximum(times, 0)
    deltas[:, COLUMN["ucs2_messages"]] = messages["encoding"] == ENCODINGS["UCS-2"]
    return deltas
