"""Proves that the rollups are the usage log: every counter of every cell, computed again.

ClickHouse does the arithmetic, some months at a time; only cells that differ come back. While a
worker writes, a usage-log row may be there before its cells; so a difference counts only once the
progress that was read *before* the rows had passed the versions of both sides.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from schemas.events import MESSAGE_RETENTION_DAYS
from schemas.rows import (
    CELL_KEYS,
    CELL_TABLES,
    COUNTERS,
    MAXIMA,
    SPARSE,
    SYSTEM_1M,
    USAGE_LOG,
    USER_TABLES,
    WIDTH_MS,
)
from schemas.settings import Settings
from schemas.statuses import STATUSES
from schemas.units import offset_of
from streams.clickhouse import connect

_MOST_SHOWN = 50
_ROUNDS = 30
# What one comparison reads, unless a single month has more: memory grows with it.
_ROWS_AT_ONCE = 1_000_000
_MINUTES_COMPARED_S = 47 * 3600
# Until an erasure is done its messages may be there twice, as themselves and as stubs.
_UNDER_WAY = (
    "SELECT user_id FROM erasures GROUP BY user_id, source"
    " HAVING argMax(step, revision) = 'taken_up' LIMIT 1"
)


class Difference(NamedTuple):
    """One counter of one cell that is not what the usage log says."""

    table: str
    key: str
    counter: str
    rollup: int
    usage_log: int


def differences(
    client: Client, now_s: int, days: int = MESSAGE_RETENTION_DAYS
) -> Iterator[Difference]:
    """Every difference between the rollups and the usage log, once both are at rest.

    `days` is how long both are kept; what is older is not compared.
    """
    # A day's cell expires before the last message of the day does.
    since = now_s - (days - 1) * 86_400
    for span in spans(_months(client), _ROWS_AT_ONCE):
        for table in CELL_TABLES:
            first = now_s - _MINUTES_COMPARED_S if table == SYSTEM_1M else since
            yield from _settled(client, table, span, first)


def main(settings: Settings) -> int:
    """Compare everything and print the result; 0 when equal, 1 with a table otherwise."""
    client = connect(settings.clickhouse_url, 300)
    days = min(settings.message_retention_days, settings.rollup_retention_days)
    found = list(differences(client, int(time.time()), days))
    if not found:
        (counts,) = client.query(
            f"SELECT count(), uniqExact(user_id) FROM {USAGE_LOG} FINAL"
        ).result_rows
        print(f"Rollups equal the usage log: {counts[0]} messages of {counts[1]} users.")
        return 0
    print(f"{len(found)} counters differ from the usage log:")
    rows = [Difference._fields, *(tuple(map(str, row)) for row in found[:_MOST_SHOWN])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        )
    if len(found) > _MOST_SHOWN:
        print(f"… and {len(found) - _MOST_SHOWN} more")
    return 1


def spans(months: Iterable[tuple[int, int]], limit: int) -> Iterator[tuple[int, int]]:
    """First and last month (as YYYYMM) of stretches of at most `limit` rows, or of one month.

    Takes months with their rows, in order.
    """
    first = last = rows = 0
    for month, count in months:
        if first and rows + count > limit:
            yield first, last
            first = rows = 0
        first, last, rows = first or month, month, rows + count
    if first:
        yield first, last


def _months(client: Client) -> list[tuple[int, int]]:
    """Every month that has rows, and how many rows the tables have of it together."""
    counted = " UNION ALL ".join(
        f"SELECT toYYYYMM({column}) AS month, count() AS rows FROM {table} GROUP BY month"
        for table, column in [(USAGE_LOG, "occurred_at"), *((t, "bucket") for t in CELL_TABLES)]
    )
    query = f"SELECT month, sum(rows) FROM ({counted}) GROUP BY month ORDER BY month"
    return [(month, rows) for month, rows in client.query(query).result_rows]


def _settled(client: Client, table: str, span: tuple[int, int], since: int) -> Iterator[Difference]:
    query = comparison(table)
    for attempt in range(_ROUNDS):
        progress = client.query("SELECT source, next_offset FROM source_progress FINAL")
        durable: dict[int, int] = {row[0]: row[1] for row in progress.result_rows}
        parameters = {"first": span[0], "last": span[1], "since": since}
        rows = client.query(query, parameters=parameters).result_rows
        is_at_rest = not rows or not client.query(_UNDER_WAY).result_rows
        if (
            is_at_rest and all(_at_rest(found, durable) for found in rows)
        ) or attempt == _ROUNDS - 1:
            break
        time.sleep(1)
    for found in rows:
        yield from _explain(table, found)


def _at_rest(found: Sequence[Any], durable: dict[int, int]) -> bool:
    """Whether progress had passed the newest event of a differing cell, source by source."""
    sources, versions = found[1]
    return all(
        offset_of(version) < durable.get(source, 0)
        for source, version in zip(sources, versions, strict=True)
    )


def _explain(table: str, found: Sequence[Any]) -> Iterator[Difference]:
    key, count = " ".join(found[0]), len(COUNTERS)
    rollups, logs, sparse = found[2 : 2 + count], found[2 + count : 2 + 2 * count], found[-3:]
    for name, rollup, log in zip(COUNTERS, rollups, logs, strict=True):
        if rollup != log:
            yield Difference(table, key, name, rollup, log)
    for (keys, counts, _), (codes, surplus) in zip(SPARSE, sparse, strict=True):
        for code, more in zip(codes, surplus, strict=True):
            if more:
                yield Difference(table, key, f"{counts} of {keys} {code}, surplus", more, 0)


def comparison(table: str) -> str:
    """The query that returns the cells of a table that differ, `{first}` to `{last}` (as YYYYMM).

    Columns: key, newest version by source, counters of the rollup, of the log, and of each
    sparse histogram the surplus of the rollup.
    """
    key = [column for column in CELL_KEYS[table] if column != "source"]
    counters = [
        f"{'max' if c in MAXIMA else 'sum'}If({c}, is_log = {side}) AS {c}_{side}"
        for side in (0, 1)
        for c in COUNTERS
    ]
    sparse = [
        f"sumMap({keys}, arrayMap(n -> if(is_log = 1, -n, n), {counts})) AS {keys}_surplus"
        for keys, counts, _ in SPARSE
    ]
    unequal = [f"{c}_0 != {c}_1" for c in COUNTERS]
    unequal += [f"arrayExists(n -> n != 0, {keys}_surplus.2)" for keys, _, _ in SPARSE]
    grouped = ", ".join(key)
    return (
        f"SELECT [{', '.join(f'toString({c})' for c in key)}], maxMap([source], [version]),"
        f" {', '.join(counters + sparse)}"
        f" FROM ({_cells(table, key)} UNION ALL {_log(table, key)})"
        f" GROUP BY {grouped} HAVING {' OR '.join(unequal)} ORDER BY {grouped}"
    )


def _cells(table: str, key: Sequence[str]) -> str:
    columns = [*key, "source", "version", *COUNTERS]
    columns += [column for keys, counts, _ in SPARSE for column in (keys, counts)]
    return (
        f"SELECT 0 AS is_log, {', '.join(columns)} FROM {table} FINAL"
        " WHERE toYYYYMM(bucket) BETWEEN {first:UInt32} AND {last:UInt32}"
        " AND bucket >= toDateTime({since:UInt32}, 'UTC')"
    )


def _log(table: str, key: Sequence[str]) -> str:
    width_s = WIDTH_MS[table] // 1000
    bucket = f"toDateTime(intDiv(toUnixTimestamp(occurred_at), {width_s}) * {width_s}, 'UTC')"
    named = [f"{bucket} AS bucket" if column == "bucket" else column for column in key]
    counters = [f"toInt64({_OF_A_MESSAGE[counter]}) AS {counter}" for counter in COUNTERS]
    known = " AND user_id != 0" if table in USER_TABLES else ""
    return (
        f"SELECT 1 AS is_log, {', '.join(named)},"
        f" source, version, {', '.join(counters)}, {_SPARSE_OF_A_MESSAGE}"
        f" FROM {USAGE_LOG} FINAL"
        f" WHERE toYYYYMM(occurred_at) BETWEEN {{first:UInt32}} AND {{last:UInt32}}{known}"
        f" AND {bucket} >= toDateTime({{since:UInt32}}, 'UTC')"
    )


_OF_A_MESSAGE = {
    "messages": "1",
    **{f"status_{status}": f"status = '{status}'" for status in STATUSES},
    "processing_count": "processing_us IS NOT NULL",
    "processing_sum_us": "ifNull(processing_us, 0)",
    "processing_max_us": "ifNull(processing_us, 0)",
    "latency_count": "latency_ms IS NOT NULL",
    "latency_sum_ms": "ifNull(latency_ms, 0)",
    "latency_max_ms": "ifNull(latency_ms, 0)",
    "ucs2_messages": "encoding = 'UCS-2'",
    **{
        column: f"{USAGE_LOG}.{column}"
        for column in (
            "segments",
            "body_length",
            "base_micros",
            "carrier_fee_micros",
            "failed_fee_micros",
            "provisional_micros",
            "gsm_saved_segments",
            "trimmed_saved_segments",
        )
    },
}


def _bin(value: str) -> str:
    """`schemas.histogram.bin_of` in SQL; values stay far below 2^53, so log2 is exact enough."""
    shift = f"toUInt8(greatest(0, floor(log2(greatest(ifNull({value}, 0), 1))) - 6))"
    return f"toUInt16({shift} * 64 + bitShiftRight(ifNull({value}, 0), {shift}))"


def _one(value: str, key: str, kind: str) -> str:
    return (
        f"if({value} IS NULL, CAST([], 'Array({kind})'), [{key}]),"
        f" if({value} IS NULL, CAST([], 'Array(Int64)'), [toInt64(1)])"
    )


_SPARSE_OF_A_MESSAGE = ", ".join(
    [
        _one("error_code", "assumeNotNull(error_code)", "Int32"),
        _one("processing_us", _bin("processing_us"), "UInt16"),
        _one("latency_ms", _bin("latency_ms"), "UInt16"),
    ]
)
