"""Messages and cells as an earlier worker wrote them to ClickHouse."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
from clickhouse_connect.driver.client import Client

from schemas.rows import USAGE_LOG, WRITING
from schemas.units import position
from streams.core.cells import CellTable
from streams.core.history import Entry
from streams.rows import cell_block, usage_block
from tests.streams.columns import empty_tables, fold_messages, rows_of
from tests.streams.samples import RECENT_MS, Message, any_message, message

BUCKET_S = 900


def write_log(
    client: Client,
    messages: Sequence[Message],
    of_source: int,
    histories: Mapping[int, Sequence[Entry]] | None = None,
) -> None:
    """Rows of the usage log."""
    rows = rows_of(messages)
    sources = np.full(len(messages), of_source)
    block = usage_block(rows.sids, rows.messages, histories or {}, sources)
    client.raw_insert(USAGE_LOG, block.names, block.to_bytes(), fmt="Native", settings=WRITING)


def message_at(epoch: int, offset: int, sid: str) -> Message:
    """A message that no receipt has reached."""
    place = position(epoch, offset)
    return message(sid, position=place, version=place, occurred_ms=RECENT_MS)


def write_cells(
    client: Client, messages: Sequence[Message], of_source: int
) -> dict[str, CellTable]:
    """Cells of messages as those of a source, and the tables that they were folded into."""
    tables = empty_tables()
    fold_messages(tables, messages, RECENT_MS)
    for name, table in tables.items():
        rows = table.take_dirty()
        assert rows is not None
        block = cell_block(name, [(of_source, rows)])
        client.raw_insert(name, block.names, block.to_bytes(), fmt="Native", settings=WRITING)
    return tables


def any_messages(seed: int, count: int) -> list[Message]:
    """Messages of all kinds, of 40 users."""
    seeded = random.Random(seed)
    return [any_message(seeded, position(1, n), RECENT_MS, 40) for n in range(count)]


def in_buckets(*sizes: int) -> list[Message]:
    """Messages of as many users in each bucket of 15 minutes, the newest bucket last."""
    return [
        message(
            f"SM{bucket}-{user}",
            user_id=user + 1,
            position=position(1, 1000 * bucket + user),
            occurred_ms=RECENT_MS + bucket * BUCKET_S * 1000,
        )
        for bucket, size in enumerate(sizes)
        for user in range(size)
    ]
