"""Messages into cells: each message once into its user's and the system's rollups.

Five tables hold the same counters at different grains. A batch becomes one matrix of deltas, a
row per message, which every table groups by its own cells.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.histogram import bin_of
from schemas.rows import (
    DIRECTIONS,
    MESSAGE_TYPES,
    SYSTEM_1D,
    SYSTEM_1M,
    SYSTEM_15M,
    USER_1D,
    USER_15M,
    WIDTH_MS,
)
from schemas.statuses import RANK
from streams.core.cells import COLUMN, WIDTH, CellTable, Ints, Key, Sums, add_up
from streams.core.message import UNKNOWN_USER, Message

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
_PLAIN_COLUMNS = [COLUMN[name] for name in _PLAIN]
_plain = attrgetter(*_PLAIN)
_FIRST_STATUS = COLUMN["status_accepted"]
_combinations: dict[tuple[str, str, str], int] = {}


def combination(direction: str, message_type: str, country: str) -> int:
    """Direction, type and country as one small integer (`combination_parts` undoes it)."""
    key = (direction, message_type, country)
    code = _combinations.get(key)
    if code is None:
        letters = (ord(country[0]) - 65) * 26 + ord(country[1]) - 65
        code = letters << 2 | (DIRECTIONS[direction] - 1) << 1 | (MESSAGE_TYPES[message_type] - 1)
        _combinations[key] = code
    return code


def combination_parts(code: int) -> tuple[int, int, str]:
    """Enum value of the direction, of the type, and the country of a `combination`."""
    letters = code >> 2
    country = chr(letters // 26 + 65) + chr(letters % 26 + 65)
    return (code >> 1 & 1) + 1, (code & 1) + 1, country


class Batch(NamedTuple):
    """Messages of one chunk as columns; `positions` rise."""

    messages: Sequence[Message]
    occurred_ms: Ints
    record_ms: Ints
    users: Ints
    codes: Ints
    positions: Ints


class Groups(NamedTuple):
    """Which cell of one table each message of a batch belongs to.

    `events` are the indices of the messages that have a cell there, `of_event` the index into
    `keys` for each of these. `finer`, where given, is the group of a finer table that the
    messages were grouped by before, and `of_finer` the group here for each of its groups.
    """

    events: Ints
    of_event: Ints
    keys: list[Key]
    finer: str | None = None
    of_finer: Ints | None = None


def batch_of(messages: Sequence[Message], record_ms: Sequence[int]) -> Batch:
    """Columns of messages and of their records' timestamps."""

    def column(values: Iterable[int]) -> Ints:
        return np.frombuffer(array("q", values), np.int64)

    known = _combinations.get
    codes = [
        known((m.direction, m.message_type, m.country))
        or combination(m.direction, m.message_type, m.country)
        for m in messages
    ]
    return Batch(
        messages,
        column([m.occurred_ms for m in messages]),
        column(record_ms),
        column([m.user_id for m in messages]),
        column(codes),
        column([m.position for m in messages]),
    )


def group(batch: Batch) -> dict[str, Groups]:
    """The cells of a batch, by table.

    User 0 has no user cells; minutes that began more than 48 h before the record have none.
    """
    everything = np.arange(len(batch.users))
    known = np.flatnonzero(batch.users != UNKNOWN_USER)
    minutes = batch.occurred_ms - batch.occurred_ms % WIDTH_MS[SYSTEM_1M]
    kept = np.flatnonzero(minutes >= batch.record_ms - MINUTE_KEPT_MS)
    users, system = batch.users[known], np.zeros(len(everything), np.int64)
    user_15m = _group(USER_15M, known, users, batch.occurred_ms[known], batch.codes[known])
    system_15m = _group(SYSTEM_15M, everything, system, batch.occurred_ms, batch.codes)
    return {
        USER_15M: user_15m,
        USER_1D: _coarser(USER_1D, USER_15M, user_15m),
        SYSTEM_1M: _group(
            SYSTEM_1M, kept, system[kept], batch.occurred_ms[kept], batch.codes[kept]
        ),
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
        if not part.keys:
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
        for kind, (indices, keys) in enumerate(counts):
            touched = row_of[indices]
            here = touched >= 0
            table.count(kind, zip(touched[here].tolist(), keys[here].tolist(), strict=True))


def _group(table: str, events: Ints, users: Ints, at: Ints, codes: Ints) -> Groups:
    """Group messages by user (0 for the system), bucket of `table`, and combination."""
    buckets = at - at % WIDTH_MS[table]
    order = np.lexsort((codes, buckets, users))
    sorted_columns = [column[order] for column in (users, buckets, codes)]
    starts = _starts(sorted_columns)
    of_event = np.empty(len(order), np.int64)
    of_event[order] = np.cumsum(starts) - 1
    keys = list(zip(*(column[starts].tolist() for column in sorted_columns), strict=True))
    return Groups(events, of_event, keys)


def _coarser(table: str, finer_name: str, finer: Groups) -> Groups:
    """The groups of a table whose buckets are whole buckets of a finer one."""
    if not finer.keys:
        return finer
    columns = np.array(finer.keys, np.int64)
    again = _group(table, finer.events, columns[:, 0], columns[:, 1], columns[:, 2])
    of_finer = again.of_event
    return Groups(finer.events, of_finer[finer.of_event], again.keys, finer_name, of_finer)


def _starts(columns: Sequence[Ints]) -> npt.NDArray[np.bool_]:
    starts = np.ones(len(columns[0]), np.bool_)
    starts[1:] = False
    for column in columns:
        starts[1:] |= column[1:] != column[:-1]
    return starts


def _counts(messages: Sequence[Message]) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
    """What the histograms count: indices of messages with their error codes, and with bins."""
    codes = [(i, m.error_code) for i, m in enumerate(messages) if m.error_code is not None]
    times = [
        (i, bin_of(m.processing_us)) for i, m in enumerate(messages) if m.processing_us is not None
    ]
    return _columns(codes), _columns(times)


def _columns(pairs: list[tuple[int, int]]) -> tuple[Ints, Ints]:
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def deltas_of(messages: Sequence[Message]) -> Ints:
    """What each message adds to its cells: a matrix of `len(messages)` × `WIDTH`."""
    count = len(messages)
    deltas = np.zeros((count, WIDTH), np.int64)
    deltas[:, COLUMN["messages"]] = 1
    flat = array("q", chain.from_iterable(map(_plain, messages)))
    deltas[:, _PLAIN_COLUMNS] = np.frombuffer(flat, np.int64).reshape(count, len(_PLAIN))
    statuses = [_FIRST_STATUS + RANK[m.status] for m in messages]
    deltas[np.arange(count), statuses] = 1
    times = np.array([-1 if m.processing_us is None else m.processing_us for m in messages])
    timed = times >= 0
    deltas[:, COLUMN["processing_count"]] = timed
    deltas[:, COLUMN["processing_sum_us"]] = np.where(timed, times, 0)
    deltas[:, COLUMN["processing_max_us"]] = deltas[:, COLUMN["processing_sum_us"]]
    deltas[:, COLUMN["ucs2_messages"]] = [m.encoding == "UCS-2" for m in messages]
    return deltas
