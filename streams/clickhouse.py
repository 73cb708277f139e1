"""The worker's reads of ClickHouse while it folds: its records, and what it no longer holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from schemas.native_answers import Column, blocks
from schemas.rows import CELL_KEYS, ORPHANS, USAGE_LOG
from schemas.settings import clickhouse_arguments
from schemas.units import position, source_epoch
from streams.core.cells import CellTable, Keys, combination_parts
from streams.core.orphans import Orphan
from streams.core.recent import MessageRows
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
# A query reads about as much for a hundred cells as for a hundred thousand.
_PARAMETERS = 50

T = TypeVar("T")
_CellTuple = tuple[Any, ...]
_KEY_COLUMNS = {
    "user_id": ("user_id", "UInt64"),
    "bucket": ("toUnixTimestamp(bucket)", "UInt32"),
    "direction": ("CAST(direction, 'Int8')", "Int8"),
    "message_type": ("CAST(message_type, 'Int8')", "Int8"),
    "country_code": ("toString(country_code)", "String"),
}
"""How a column of a cell's key is compared, and as what."""


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
        (row,) = self.rows("SELECT max(source) FROM source_progress", {})
        return source_epoch(int(row[0] or 0))

    def progress(self, sources: Sequence[int]) -> dict[int, Progress]:
        """Durable progress of those sources that have any."""
        rows = self.rows(
            "SELECT source, next_offset, toUnixTimestamp64Milli(as_of), topic_id, partitions"
            " FROM source_progress FINAL WHERE source IN {sources:Array(UInt32)}",
            {"sources": list(sources)},
        )
        return {row[0]: Progress(*row[1:]) for row in rows}

    def quarantined(self, source: int) -> dict[int, str]:
        """Offsets of a source that an operator set aside, with the reason given."""
        rows = self.rows(
            "SELECT offset, reason FROM quarantine FINAL WHERE source = {source:UInt32}",
            {"source": source},
        )
        return {row[0]: row[1] for row in rows}

    def deaths(self, source: int) -> Deaths | None:
        """Where workers last began in this source without getting past it."""
        rows = self.rows(
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

    def messages(self, source: int, sids: Sequence[bytes]) -> MessageRows:
        """The known ones of these sids, as events of this source see them."""
        found: list[list[Column]] = []
        for some, values in _queries([sid.decode() for sid in sids], "Array(String)"):
            found += self.blocks(
                f"SELECT {MESSAGE_COLUMNS} FROM {USAGE_LOG} FINAL"
                # A column of the sorting key, so that FINAL sees all rows of a message or none.
                f" PREWHERE message_sid IN {some} WHERE {OF_SOURCE}",
                {**values, **source_parameters(source)},
            )
        return messages_of(found)

    def orphans(self, source: int) -> list[Orphan]:
        """Receipts that wait for messages which events of this source may bring, in order."""
        rows = self.rows(
            f"SELECT {ORPHAN_COLUMNS} FROM {ORPHANS} FINAL"
            " WHERE (source = {source:UInt32} OR position < {epoch_start:UInt64}) AND NOT is_gone"
            " ORDER BY position",
            source_parameters(source),
        )
        return [orphan_of(row) for row in rows]

    def load_cold(
        self, tables: Mapping[str, CellTable], keys: Mapping[str, Keys], source: int
    ) -> None:
        """Read back cells that are not in memory, by table."""
        for name, wanted in keys.items():
            self._load_keys(name, tables[name], wanted, source)

    def _load_keys(self, name: str, table: CellTable, keys: Keys, source: int) -> None:
        columns, kinds = zip(*(_KEY_COLUMNS[column] for column in key_columns(name)), strict=True)
        ends = {"first": int(keys["bucket_s"].min()), "last": int(keys["bucket_s"].max())}
        kind = f"Array(Tuple({', '.join(kinds)}))"
        for some, values in _queries(_tuples(name, keys), kind):
            blocks = self.blocks(
                f"SELECT {cell_columns(name)} FROM {name} FINAL"
                # Columns of the sorting key, as above.
                " PREWHERE source = {source:UInt32}"
                " AND bucket BETWEEN toDateTime({first:UInt32}, 'UTC')"
                f" AND toDateTime({{last:UInt32}}, 'UTC') AND ({', '.join(columns)}) IN {some}",
                {"source": source, **ends, **values},
            )
            for block in blocks:
                table.load(cells_of(block))

    def blocks(self, query: str, parameters: dict[str, Any]) -> list[list[Column]]:
        """An answer as columns, block by block."""

        def read() -> list[list[Column]]:
            with self._client.raw_stream(query, parameters=parameters, fmt="Native") as raw:
                return list(blocks(raw))

        return until_done("reading ClickHouse", read, self._stopping)

    def each_block(
        self, query: str, parameters: dict[str, Any], take: Callable[[list[Column]], None]
    ) -> None:
        """Give the blocks of an answer to `take` as they come; from the first again when the
        answer breaks off, so taking one twice has to come to the same."""
        failures: list[Exception] = []

        def read() -> None:
            with self._client.raw_stream(query, parameters=parameters, fmt="Native") as raw:
                for block in blocks(raw):
                    try:
                        take(block)
                    except Exception as error:
                        failures.append(error)
                        return

        until_done("reading ClickHouse", read, self._stopping)
        for error in failures:
            raise error

    def rows(self, query: str, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """A small answer as rows."""

        def read() -> Sequence[Sequence[Any]]:
            return self._client.query(query, parameters=parameters).result_rows

        return until_done("reading ClickHouse", read, self._stopping)


def _queries(values: Sequence[Any], kind: str) -> Iterator[tuple[str, dict[str, list[Any]]]]:
    """What to ask `IN` of, and its parameters, for each query: as few as take all the values."""
    parts = _in_parameters(values)
    while some := list(islice(parts, _PARAMETERS)):
        named = {f"values_{number}": part for number, part in enumerate(some)}
        texts = [f"{{{name}:{kind}}}" for name in named]
        yield texts[0] if len(texts) == 1 else f"arrayConcat({', '.join(texts)})", named


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
    """Cells as ClickHouse is asked for them: `_KEY_COLUMNS` of those that the table's key has."""
    places = [list(_KEY_COLUMNS).index(column) for column in key_columns(name)]
    tuples: list[_CellTuple] = []
    for user_id, bucket_s, code in keys.tolist():
        direction, message_type, country = combination_parts(code)
        cell = (user_id, bucket_s, direction, message_type, country_text(country))
        tuples.append(tuple(cell[place] for place in places))
    return tuples


# An event repeats a message of its own source or of an earlier epoch, whose keys may have lain in
# another partition; never one of another partition of its own epoch.
OF_SOURCE = "(source = {source:UInt32} OR version < {epoch_start:UInt64})"


def source_parameters(source: int) -> dict[str, int]:
    return {"source": source, "epoch_start": position(source_epoch(source), 0)}


def key_columns(name: str) -> list[str]:
    """What tells the cells of one source apart."""
    return [column for column in CELL_KEYS[name] if column != "source"]
