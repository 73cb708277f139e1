"""Columns of messages and cells as plain values, there and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np

from schemas.rows import (
    CELL_TABLES,
    COST_SOURCES,
    DIRECTIONS,
    ENCODINGS,
    MESSAGE_TYPES,
    RATE_ORIGINS,
    SPARSE,
    STATUS_CODES,
    USER_DECISIONS,
)
from streams.core.cells import KEY, WIDTH, CellRows, CellTable, Keys
from streams.core.counts import Histograms
from streams.core.decode import Decoder
from streams.core.fold import Batch, fold, group
from streams.core.message import MESSAGE, Messages, Reference, decide
from streams.core.recent import MessageRows
from streams.core.shapes import country_number, country_text
from tests.streams.samples import Message

_CODES: dict[str, Mapping[Any, int]] = {
    "user_decision": USER_DECISIONS,
    "direction": DIRECTIONS,
    "message_type": MESSAGE_TYPES,
    "status": STATUS_CODES,
    "encoding": ENCODINGS,
    "cost_source": COST_SOURCES,
    "rate_origin": RATE_ORIGINS,
}
_TEXTS = {name: {code: text for text, code in codes.items()} for name, codes in _CODES.items()}
_DECODER = Decoder()
_UNKNOWN = ("processing_us", "latency_ms")

Key = tuple[int, int, int]
"""A cell's user or 0, the start of its bucket in s, and its combination."""


class Cell(NamedTuple):
    """What a cell holds: counters in their order, and a dictionary for each histogram."""

    last: int
    counters: list[int]
    sparse: list[dict[int, int]]


def rows_of(messages: Iterable[Message]) -> MessageRows:
    """Messages as a working set holds them."""
    some = list(messages)
    values = np.array([_row(each) for each in some], MESSAGE)
    return MessageRows([each.sid.encode() for each in some], values, {})


def messages_of(sids: Sequence[bytes], values: Messages) -> list[Message]:
    """The messages with these sids of which these are the rows."""
    pairs = zip(sids, values.tolist(), strict=True)
    return [_message(sid.decode(), row) for sid, row in pairs]


def _row(message: Message) -> tuple[Any, ...]:
    fields = msgspec.structs.asdict(message)
    fields |= {name: codes[fields[name]] for name, codes in _CODES.items()}
    fields |= {name: -1 for name in _UNKNOWN if fields[name] is None}
    fields["country"] = country_number(message.country)
    fields["has_error"] = message.error_code is not None
    fields["error_code"] = message.error_code or 0
    return tuple(fields[name] for name in MESSAGE.names or ())


def _message(sid: str, values: tuple[Any, ...]) -> Message:
    fields = dict(zip(MESSAGE.names or (), values, strict=True))
    fields |= {name: texts[fields[name]] for name, texts in _TEXTS.items()}
    fields |= {name: None for name in _UNKNOWN if fields[name] == -1}
    fields["country"] = country_text(fields["country"])
    fields["mcc_mnc"] = fields["mcc_mnc"].decode()
    code = fields["error_code"]
    fields["error_code"] = code if fields.pop("has_error") else None
    assert fields["error_code"] == code or code == 0
    return Message(sid, **fields)


def decided(value: bytes, position: int, reference: Reference) -> Message:
    """The message that an event becomes at a place of the log; it must be valid."""
    events, rejected = _DECODER.batch([value])
    assert not rejected, rejected
    shapes = _DECODER.shapes.table[events.shapes]
    made = decide(events, shapes, np.array([position], np.int64), reference)
    (message,) = messages_of(events.sids, made)
    return message


def empty_tables() -> dict[str, CellTable]:
    """The tables of a new source."""
    return {name: CellTable({}) for name in CELL_TABLES}


def batch_of(messages: Sequence[Message], record_ms: int | Sequence[int]) -> Batch:
    """Messages in the order of their positions, and the time of their records."""
    rows = rows_of(messages).messages
    times = np.broadcast_to(np.array(record_ms, np.int64), len(messages))
    return Batch(rows, rows["position"].copy(), times, rows[:0])


def fold_messages(
    tables: Mapping[str, CellTable], messages: Sequence[Message], record_ms: int | Sequence[int]
) -> None:
    """Fold messages into tables that hold all the cells there are."""
    batch = batch_of(messages, record_ms)
    fold(tables, group(batch), batch)


def keys_of(keys: Iterable[Key]) -> Keys:
    """Keys as an array."""
    return np.array(list(keys), KEY)


def contents(table: CellTable) -> dict[Key, Cell]:
    """Every cell of a table by its key."""
    rows = np.array(list(table.rows.values()), np.int64)
    assert len(set(rows.tolist())) == len(rows)
    assert table.keys[rows].tobytes() == b"".join(table.rows)
    return cells_of(table.copy(rows))


def cells_of(rows: CellRows) -> dict[Key, Cell]:
    """Cells by their keys."""
    sparse = [_dicts(histograms) for histograms in rows.sparse]
    keys: list[Key] = rows.keys.tolist()
    columns = (rows.last.tolist(), rows.counters.tolist(), zip(*sparse, strict=True))
    cells = [
        Cell(last, counters, list(dicts)) for last, counters, dicts in zip(*columns, strict=True)
    ]
    return dict(zip(keys, cells, strict=True))


def cell_rows(cells: Mapping[Key, Cell]) -> CellRows:
    """The rows of cells, in their order."""
    return CellRows(
        keys_of(cells),
        np.array([cell.last for cell in cells.values()], np.int64),
        np.array([cell.counters for cell in cells.values()], np.int64).reshape(-1, WIDTH),
        [
            _histograms([cell.sparse[kind] for cell in cells.values()])
            for kind in range(len(SPARSE))
        ],
    )


def _dicts(histograms: Histograms) -> list[dict[int, int]]:
    ends = [0, *np.cumsum(histograms.sizes).tolist()]
    keys, counts = histograms.keys.tolist(), histograms.counts.tolist()
    assert len(keys) == len(counts) == ends[-1]
    found = [
        dict(zip(keys[start:end], counts[start:end], strict=True)) for start, end in pairwise(ends)
    ]
    assert [len(each) for each in found] == histograms.sizes.tolist()
    return found


def _histograms(dicts: Sequence[Mapping[int, int]]) -> Histograms:
    entries = [entry for each in dicts for entry in sorted(each.items())]
    columns = np.array(entries, np.int64).reshape(-1, 2)
    return Histograms(np.array([len(each) for each in dicts], np.int64), *columns.T)
