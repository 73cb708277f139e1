"""Messages into cells: each message once into its user's and the system's rollups.

Five tables hold the same counters at different grains. A batch becomes one matrix of deltas, a
row per message, which every table groups by its own cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from schemas.histogram import bin_of
from schemas.rows import (
    CELL_TABLES,
    DIRECTIONS,
    MESSAGE_TYPES,
    SYSTEM_1M,
    USER_TABLES,
    WIDTH_MS,
)
from schemas.statuses import RANK
from streams.core.cells import COLUMN, WIDTH, CellTable, Counts, Ints, Key
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


class Plan(NamedTuple):
    """Which cells of one table a batch of messages belongs to.

    `chosen` are the indices of the messages that have a cell there (None: all of them), `keys`
    the cells' keys, one for each of these.
    """

    chosen: Ints | None
    keys: list[Key]


def plan(messages: Sequence[Message], record_ms: Sequence[int]) -> dict[str, Plan]:
    """The cells of a batch, by table.

    User 0 has no user cells; minutes that began more than 48 h before the record have none.
    """
    count = len(messages)
    at = np.fromiter([m.occurred_ms for m in messages], np.int64, count)
    users = [m.user_id for m in messages]
    codes = [combination(m.direction, m.message_type, m.country) for m in messages]
    known = np.fromiter(users, np.int64, count) != UNKNOWN_USER
    plans = {}
    for table in CELL_TABLES:
        width = WIDTH_MS[table]
        buckets = at - at % width
        of_user = table in USER_TABLES
        keys = list(zip(users if of_user else [0] * count, buckets.tolist(), codes, strict=True))
        fits = None
        if of_user:
            fits = known
        elif table == SYSTEM_1M:
            fits = buckets >= np.fromiter(record_ms, np.int64, count) - MINUTE_KEPT_MS
        if fits is None or fits.all():
            plans[table] = Plan(None, keys)
        else:
            chosen = np.flatnonzero(fits)
            plans[table] = Plan(chosen, [keys[index] for index in chosen.tolist()])
    return plans


def fold(
    tables: Mapping[str, CellTable], plans: Mapping[str, Plan], messages: Sequence[Message]
) -> None:
    """Apply messages (positions rising) to the cells that `plan` named, which must be here."""
    deltas = deltas_of(messages)
    positions = np.fromiter([m.position for m in messages], np.int64, len(messages))
    counts = _counts(messages)
    for name, (chosen, keys) in plans.items():
        if chosen is None:
            tables[name].apply(keys, positions, deltas, counts)
        elif len(chosen):
            some = [messages[index] for index in chosen.tolist()]
            tables[name].apply(keys, positions[chosen], deltas[chosen], _counts(some))


def _counts(messages: Sequence[Message]) -> Counts:
    codes = [(i, m.error_code) for i, m in enumerate(messages) if m.error_code is not None]
    times = [
        (i, bin_of(m.processing_us)) for i, m in enumerate(messages) if m.processing_us is not None
    ]
    return codes, times, []


def deltas_of(messages: Sequence[Message]) -> Ints:
    """What each message adds to its cells: a matrix of `len(messages)` × `WIDTH`."""
    count = len(messages)
    deltas = np.zeros((count, WIDTH), np.int64)
    deltas[:, COLUMN["messages"]] = 1
    for name in _PLAIN:
        deltas[:, COLUMN[name]] = list(map(attrgetter(name), messages))
    statuses = [_FIRST_STATUS + RANK[m.status] for m in messages]
    deltas[np.arange(count), statuses] = 1
    times = np.array([-1 if m.processing_us is None else m.processing_us for m in messages])
    timed = times >= 0
    deltas[:, COLUMN["processing_count"]] = timed
    deltas[:, COLUMN["processing_sum_us"]] = np.where(timed, times, 0)
    deltas[:, COLUMN["processing_max_us"]] = deltas[:, COLUMN["processing_sum_us"]]
    deltas[:, COLUMN["ucs2_messages"]] = [m.encoding == "UCS-2" for m in messages]
    return deltas
