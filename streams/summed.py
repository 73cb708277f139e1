"""What answers sum of a row, as the arrays and columns that lie beside the others.

ClickHouse computes the same for whoever does not write them (migrations 38, 40, 42 and 55), but
takes 2 to 4 ms of CPU to analyse how.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.native import Block
from schemas.rows import (
    DIRECTIONS,
    ENCODINGS,
    FREQUENT_STATUSES,
    MESSAGE_TYPES,
    SAVINGS,
    STATUS_CODES,
    SUMMED,
    TOTALS,
)
from schemas.statuses import CANCELED, SETTLED_BAD, SETTLED_GOOD
from streams.core.cells import COLUMN
from streams.core.columns import Flags, Ints
from streams.core.message import Messages
from streams.core.savings import segments_of

_STATUS_COLUMNS = [COLUMN[f"status_{status}"] for status in FREQUENT_STATUSES]
_COST_COLUMNS = [COLUMN[f"{part}_micros"] for part in ("base", "carrier_fee", "failed_fee")]


def add_cells(block: Block, name: str, counters: Ints) -> None:
    """Add what a table's cells have summed, from their `COUNTERS`."""
    if name not in SUMMED:
        return
    totals = _totals(counters)
    for column in SUMMED[name]:
        if column == "totals":
            ends = np.arange(1, len(totals) + 1) * len(TOTALS)
            block.arrays(column, "Int64", ends, totals.ravel())
        elif column == "statuses":
            _add_trimmed(block, column, counters[:, _STATUS_COLUMNS])
        else:
            block.numbers(column, "Int64", totals[:, TOTALS.index(column)])


def add_messages(block: Block, messages: Messages) -> None:
    """Add the arrays of messages: what advice sums; an inbound message has none."""
    savings = _savings(messages)
    savings[messages["direction"] != DIRECTIONS["outbound"]] = 0
    _add_trimmed(block, "savings", savings)


def _totals(counters: Ints) -> Ints:
    totals = {name: counters[:, COLUMN[name]] for name in ("messages", "segments", "body_length")}
    for name, statuses in (("good", SETTLED_GOOD), ("bad", SETTLED_BAD), ("canceled", CANCELED)):
        totals[name] = counters[:, [COLUMN[f"status_{status}"] for status in statuses]].sum(axis=1)
    totals["cost_micros"] = counters[:, _COST_COLUMNS].sum(axis=1)
    return np.stack([totals[name] for name in TOTALS], axis=1)


def _savings(messages: Messages) -> Ints:
    """Columns as `SAVINGS`; a segment saved is worth what each of the message's segments cost."""
    paid = messages["base_micros"] + messages["carrier_fee_micros"]
    segments = np.maximum(messages["segments"], 1)
    is_mms = messages["message_type"] == MESSAGE_TYPES["mms"]
    is_empty = is_mms & (messages["num_media"] == 0)
    sms = segments_of(messages["body_length"].astype(np.int64), ENCODINGS["GSM-7"])
    savings = {
        "cost_micros": paid + messages["failed_fee_micros"],
        "arrived": _is_one_of(messages, SETTLED_GOOD),
        "failed": _is_one_of(messages, SETTLED_BAD),
        "with_media": is_mms & ~is_empty,
        "empty_messages": is_empty,
        "empty_micros": np.where(is_empty, paid, 0),
        "empty_segments": np.where(is_empty, sms, 0),
    }
    for text in ("gsm", "trimmed"):
        saved = messages[f"{text}_saved_segments"]
        savings[f"{text}_messages"] = saved > 0
        savings[f"{text}_segments"] = saved
        savings[f"{text}_micros"] = paid * saved // segments
    return np.stack([savings[name].astype(np.int64) for name in SAVINGS], axis=1)


def _is_one_of(messages: Messages, statuses: frozenset[str]) -> Flags:
    found: Flags = np.isin(messages["status"], [STATUS_CODES[status] for status in statuses])
    return found


def _add_trimmed(block: Block, name: str, rows: Ints) -> None:
    """Add a row's numbers, without the zeros at its end, as one array."""
    is_there: Any = rows != 0
    width = rows.shape[1]
    sizes = np.where(is_there.any(axis=1), width - is_there[:, ::-1].argmax(axis=1), 0)
    kept = rows[np.arange(width) < sizes[:, None]]
    block.arrays(name, "Int64", np.cumsum(sizes), kept)
