"""What a worker reads of ClickHouse when partitions are assigned to it: sids, messages, hot cells.

One query reads for all of them, because their rows lie side by side, and its answer goes into
memory block by block, whatever its size. All but the sids is kept only where it is not here yet,
so reading again what broke off changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from schemas.native_answers import Column
from schemas.rows import USAGE_LOG
from schemas.units import position, source_epoch
from streams.clickhouse import Store, key_columns
from streams.core.cells import CellTable
from streams.core.columns import Flags
from streams.core.recent import MessageTable
from streams.core.seen import SidFilter
from streams.rows import (
    MESSAGE_COLUMNS,
    cell_columns,
    cells_of,
    messages_of,
    some_cells,
    some_messages,
)

_DAY_S = 86_400
_WINDOW_GROWS = 8


def load_sids(store: Store, sources: Collection[int], sids: SidFilter) -> None:
    """Remember the sid of every message that events of these sources (of one epoch) may repeat."""
    store.each_block(
        f"SELECT xxHash64(message_sid) FROM {USAGE_LOG}"
        " WHERE source IN {sources:Array(UInt32)} OR version < {epoch_start:UInt64}",
        {"sources": list(sources), "epoch_start": position(source_epoch(max(sources)), 0)},
        lambda block: sids.add(block[0]),
    )


def load_messages(
    store: Store, firsts: Mapping[int, int], tables: Mapping[int, MessageTable]
) -> None:
    """Hold the messages of each source whose rows were written at or after its first position.

    Without FINAL, which would read the whole usage log: the newest row of a message is among those
    read whenever any of its rows is.
    """

    def take(block: list[Column]) -> None:
        *columns, of_row = block
        found = messages_of([columns])
        for source, chosen in _by_source(of_row):
            tables[source].load(some_messages(found, chosen))

    sources = list(firsts)
    store.each_block(
        f"SELECT {MESSAGE_COLUMNS}, source FROM {USAGE_LOG}"
        " WHERE source IN {sources:Array(UInt32)}"
        " AND version >= {firsts:Array(UInt64)}[indexOf({sources:Array(UInt32)}, source)]"
        " ORDER BY version DESC LIMIT 1 BY source, message_sid",
        {"sources": sources, "firsts": [firsts[source] for source in sources]},
        take,
    )


def load_cells(store: Store, name: str, tables: Mapping[int, CellTable], limit: int) -> None:
    """Hold the newest cells of a table for each source: whole buckets, about `limit` at most."""
    hot_from = _hot_from(store, name, list(tables), limit)
    for source, first in hot_from.items():
        tables[source].hot_from_s = first

    def take(block: list[Column]) -> None:
        *columns, of_row = block
        cells = cells_of(columns)
        for source, chosen in _by_source(of_row):
            tables[source].load(some_cells(cells, chosen))

    store.each_block(
        f"SELECT {cell_columns(name)}, source FROM {name} FINAL"
        # Columns of the sorting key, so that FINAL sees all rows of a cell or none.
        " PREWHERE source IN {sources:Array(UInt32)} AND bucket >= toDateTime("
        "{firsts:Array(UInt32)}[indexOf({sources:Array(UInt32)}, source)], 'UTC')"
        " WHERE bucket >= toDateTime({first:UInt32}, 'UTC')",
        {
            "sources": list(hot_from),
            "firsts": list(hot_from.values()),
            "first": min(hot_from.values()),
        },
        take,
    )


def _hot_from(store: Store, name: str, sources: Sequence[int], limit: int) -> dict[int, int]:
    """The bucket from which on about `limit` cells of each source are; 0 where all are.

    Looks back over a day, then over longer, so that years of history are not read each time.
    """
    ((oldest, newest),) = store.rows(
        f"SELECT toUnixTimestamp(min(bucket)), toUnixTimestamp(max(bucket)) FROM {name}", {}
    )
    found: dict[int, int] = {}
    window_s = _DAY_S
    while left := [source for source in sources if source not in found]:
        since = max(0, newest - window_s)
        buckets: dict[int, list[tuple[int, int]]] = {source: [] for source in left}
        for source, *bucket in store.rows(
            f"SELECT source, toUnixTimestamp(bucket), uniq({', '.join(key_columns(name))})"
            f" FROM {name} WHERE source IN {{sources:Array(UInt32)}}"
            " AND bucket >= toDateTime({since:UInt32}, 'UTC')"
            " GROUP BY source, bucket ORDER BY bucket DESC",
            {"sources": left, "since": since},
        ):
            buckets[source].append((bucket[0], bucket[1]))
        for source, counts in buckets.items():
            first = _first_within(counts, limit)
            if first is not None or since <= oldest:
                found[source] = first or 0
        window_s *= _WINDOW_GROWS
    return found


def _first_within(buckets: Sequence[tuple[int, int]], limit: int) -> int | None:
    """The oldest of the newest buckets that hold `limit` cells together; None if all do."""
    total = 0
    first = buckets[0][0] + 1 if buckets else 0  # beyond the newest nothing is in ClickHouse
    for bucket, count in buckets:
        total += count
        if total > limit:
            return first
        first = bucket
    return None


def _by_source(of_row: Column) -> Iterator[tuple[int, Flags]]:
    for source in np.unique(of_row).tolist():
        yield source, of_row == source
