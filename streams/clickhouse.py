"""The worker's reads of ClickHouse: what it needs to go on, and what it no longer holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import clickhouse_connect
import numpy as np
from clickhouse_connect.driver.client import Client

from schemas.rows import ORPHANS, USAGE_LOG, USER_TABLES
from schemas.settings import clickhouse_arguments
from schemas.units import position, source_epoch
from streams.core.cells import CellTable, Keys, combination_parts
from streams.core.orphans import Orphan
from streams.core.recent import MessageRows
from streams.core.seen import Hashes
from streams.core.shapes import country_text
from streams.patience import until_done
from streams.rows import (
    MESSAGE_COLUMNS,
    ORPHAN_COLUMNS,
    cell_columns,
    cells_of,
    messages_of,
    orphan_of,
)

# ClickHouse takes 128 KiB in one parameter (http_max_field_value_size); a cell is longer there.
_PARAMETER_BYTES = 100_000

T = TypeVar("T")
_CellTuple = tuple[Any, ...]


class Progress(NamedTuple):
    """How far a source is durable: next offset, `as_of` in ms, and the topic it was read from."""

    next_offset: int
    as_of_ms: int
    topic_id: str
    partitions: int


class Deaths(NamedTuple):
    """Workers died `times` at `offset`, or after it and before anything was durable."""

    offset: int
    times: int
    error: str


def connect(url: str, timeout_s: float) -> Client:
    """A client of the worker's own: reads its own writes, inserts are acknowledged when written."""
    return clickhouse_connect.get_client(
        **clickhouse_arguments(url),
        autogenerate_session_id=False,
        query_limit=0,
        connect_timeout=5,
        send_receive_timeout=int(timeout_s),
        settings={"async_insert": 0, "do_not_merge_across_partitions_select_final": 1},
    )


class Store:
    """Reads for one worker, over one client (calls are made one after the other).

    While ClickHouse does not answer they wait, until `stopping` is set (AbandonedError).
    """

    def __init__(self, client: Client, stopping: threading.Event | None = None) -> None:
        self._client = client
        self._stopping = stopping or threading.Event()

    def epoch(self) -> int:
        """The newest log epoch that anything was written from; 0 before the first."""
        (row,) = self._rows("SELECT max(source) FROM source_progress", {})
        return source_epoch(int(row[0] or 0))

    def progress(self, sources: Sequence[int]) -> dict[int, Progress]:
        """Durable progress of those sources that have any."""
        rows = self._rows(
            "SELECT source, next_offset, toUnixTimestamp64Milli(as_of), topic_id, partitions"
            " FROM source_progress FINAL WHERE source IN {sources:Array(UInt32)}",
            {"sources": list(sources)},
        )
        return {row[0]: Progress(*row[1:]) for row in rows}

    def quarantined(self, source: int) -> dict[int, str]:
        """Offsets of a source that an operator set aside, with the reason given."""
        rows = self._rows(
            "SELECT offset, reason FROM quarantine FINAL WHERE source = {source:UInt32}",
            {"source": source},
        )
        return {row[0]: row[1] for row in rows}

    def deaths(self, source: int) -> Deaths | None:
        """Where workers last began in this source without getting past it."""
        rows = self._rows(
            "SELECT next_offset, attempts, error FROM worker_attempts FINAL"
            " WHERE source = {source:UInt32}",
            {"source": source},
        )
        return Deaths(*rows[0]) if rows else None

    def note_deaths(self, source: int, deaths: Deaths) -> None:
        """Write down where workers die in this source, and how often."""
        self._client.command(
            "INSERT INTO worker_attempts SELECT {source:UInt32}, {offset:UInt64}, {times:UInt32},"
            " {error:String}, now64(3)",
            parameters={"source": source, **deaths._asdict()},
        )

    def sid_hashes(self, source: int) -> Iterator[Hashes]:
        """xxHash64 of the sids of every message that events of this source may repeat."""
        query = f"SELECT xxHash64(message_sid) FROM {USAGE_LOG} WHERE {_OF_SOURCE} FORMAT RowBinary"
        left = b""
        with self._client.raw_stream(query, parameters=_source_parameters(source)) as stream:
            for piece in iter(lambda: stream.read(1 << 22), b""):
                left += piece
                whole = len(left) - len(left) % 8
                yield np.frombuffer(left[:whole], np.uint64)
                left = left[whole:]

    def messages_since(self, source: int, first: int) -> MessageRows:
        """Messages of a source whose rows were written at or after a position."""
        rows = self._rows(
            f"SELECT {MESSAGE_COLUMNS} FROM {USAGE_LOG} FINAL"
            " WHERE source = {source:UInt32} AND version >= {first:UInt64}",
            {"source": source, "first": first},
        )
        return messages_of(rows)

    def messages(self, source: int, sids: Sequence[bytes]) -> MessageRows:
        """The known ones of these sids, as events of this source see them."""
        found: list[Sequence[Any]] = []
        for some in _in_parameters([sid.decode() for sid in sids]):
            found += self._rows(
                f"SELECT {MESSAGE_COLUMNS} FROM {USAGE_LOG} FINAL"
                f" WHERE message_sid IN {{sids:Array(String)}} AND {_OF_SOURCE}",
                {"sids": some, **_source_parameters(source)},
            )
        return messages_of(found)

    def orphans(self, source: int) -> list[Orphan]:
        """Receipts that wait for messages which events of this source may bring, in order."""
        rows = self._rows(
            f"SELECT {ORPHAN_COLUMNS} FROM {ORPHANS} FINAL"
            " WHERE (source = {source:UInt32} OR position < {epoch_start:UInt64}) AND NOT is_gone"
            " ORDER BY position",
            _source_parameters(source),
        )
        return [orphan_of(row) for row in rows]

    def load_hot(self, name: str, table: CellTable, source: int, limit: int) -> None:
        """Load the newest cells of a table, whole buckets, about `limit` at most."""
        buckets = self._rows(
            f"SELECT toUnixTimestamp(bucket), uniq({', '.join(_key_columns(name))}) FROM {name}"
            " WHERE source = {source:UInt32} GROUP BY bucket ORDER BY bucket DESC",
            {"source": source},
        )
        # Beyond the newest bucket nothing is in ClickHouse; what is not loaded below stays cold.
        total, first = 0, buckets[0][0] + 1 if buckets else 0
        for bucket, count in buckets:
            total += count
            if total > limit:
                break
            first = bucket
        table.hot_from_s = first if total > limit else 0
        rows = self._rows(
            f"SELECT {cell_columns(name)} FROM {name} FINAL"
            " WHERE source = {source:UInt32} AND bucket >= toDateTime({first:UInt32}, 'UTC')",
            {"source": source, "first": first},
        )
        table.load(cells_of(rows))

    def load_cold(
        self, tables: Mapping[str, CellTable], keys: Mapping[str, Keys], source: int
    ) -> None:
        """Read back cells that are not in memory, by table."""
        for name, wanted in keys.items():
            for some in _in_parameters(_tuples(name, wanted)):
                self._load_keys(name, tables[name], some, source)

    def _load_keys(
        self, name: str, table: CellTable, keys: Sequence[_CellTuple], source: int
    ) -> None:
        user = "UInt64, " if name in USER_TABLES else ""
        columns = ", ".join(_key_columns(name)).replace("bucket", "toUnixTimestamp(bucket)", 1)
        columns = columns.replace("direction", "CAST(direction, 'Int8')")
        columns = columns.replace("message_type", "CAST(message_type, 'Int8')")
        columns = columns.replace("country_code", "toString(country_code)")
        buckets = [key[-4] for key in keys]
        rows = self._rows(
            f"SELECT {cell_columns(name)} FROM {name} FINAL WHERE source = {{source:UInt32}}"
            " AND bucket BETWEEN toDateTime({first:UInt32}, 'UTC')"
            " AND toDateTime({last:UInt32}, 'UTC')"
            f" AND ({columns}) IN {{keys:Array(Tuple({user}UInt32, Int8, Int8, String))}}",
            {"source": source, "keys": keys, "first": min(buckets), "last": max(buckets)},
        )
        table.load(cells_of(rows))

    def _rows(self, query: str, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        def read() -> Sequence[Sequence[Any]]:
            return self._client.query(query, parameters=parameters).result_rows

        return until_done("reading ClickHouse", read, self._stopping)


def _in_parameters(values: Sequence[T]) -> Iterator[list[T]]:
    """The values in lists that fit into a query parameter each."""
    some: list[T] = []
    size = 0
    for value in values:
        text = repr(value)
        # Quotes and backslashes are escaped, twice at the most.
        length = len(text.encode()) + 2 + 3 * (text.count("'") + text.count("\\"))
        if some and size + length > _PARAMETER_BYTES:
            yield some
            some, size = [], 0
        some.append(value)
        size += length
    if some:
        yield some


def _tuples(name: str, keys: Keys) -> list[_CellTuple]:
    """Cells as ClickHouse is asked for them: user in user tables, bucket, codes, country."""
    tuples: list[_CellTuple] = []
    for user_id, bucket_s, code in keys.tolist():
        direction, message_type, country = combination_parts(code)
        rest = (bucket_s, direction, message_type, country_text(country))
        tuples.append((user_id, *rest) if name in USER_TABLES else rest)
    return tuples


# An event repeats a message of its own source or of an earlier epoch, whose keys may have lain in
# another partition; never one of another partition of its own epoch.
_OF_SOURCE = "(source = {source:UInt32} OR version < {epoch_start:UInt64})"


def _source_parameters(source: int) -> dict[str, int]:
    return {"source": source, "epoch_start": position(source_epoch(source), 0)}


def _key_columns(name: str) -> list[str]:
    user = ["user_id"] if name in USER_TABLES else []
    return [*user, "bucket", "direction", "message_type", "country_code"]
