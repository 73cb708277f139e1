"""Ninety days of messages put straight into ClickHouse, made by ClickHouse itself.

The usage log is made from a hash of each message's number, a UTC day at a time; the rollups are
summed from it, as a worker would have written them. They are of a log epoch that has ended: whoever
goes on from there begins the next one (`epoch next`).
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from deploy.local import clickhouse
from deploy.local.ports import free_port
from deploy.migrate import migrate
from schemas.rows import (
    CELL_KEYS,
    CELL_TABLES,
    COUNTERS,
    MAXIMA,
    SPARSE,
    SYSTEM_1D,
    SYSTEM_1M,
    SYSTEM_15M,
    SYSTEM_TOTALS_15M,
    USAGE_LOG,
    USER_1D,
    USER_15M,
    USER_TOTALS_15M,
    WIDTH_MS,
)
from schemas.settings import clickhouse_arguments
from schemas.statuses import STATUSES

USERS = 1000
PER_DAY = 10_000
DAYS = 90
_DAY_S = 86_400
_MINUTES_KEPT_S = 48 * 3600
_PARTITIONS = 8

# A user's share falls with his number; each has a country of his own, and a second one.
_MESSAGES = """
INSERT INTO usage_log (user_id, occurred_at, message_sid, version, source, first_position,
    user_decision, counterparty_hash, direction, message_type, country_code, status, error_code,
    segments, encoding, num_media, body_length, processing_us, latency_ms, cost_source, base_micros,
    carrier_fee_micros, failed_fee_micros, provisional_micros, rate_base_micros,
    rate_carrier_micros, rate_failed_micros, gsm_saved_segments, trimmed_saved_segments,
    history_position, history_status, history_error_code, history_price_micros, history_at_ms,
    history_fee_exempt)
WITH
    ['US','CA','GB','DE','FR','IN','NP','BR','MX','ES','IT','AU','NZ','JP','KR','ZA','NG','SE',
     'PL','NL'] AS countries,
    cityHash64(number, 1) AS dice, cityHash64(number, 2) AS dice2,
    toUInt64(1 + floor({users:UInt32} * pow((dice % 1000003) / 1000003, 1.5))) AS user,
    bitShiftRight(dice, 20) % 100 < 70 AS is_outbound,
    bitShiftRight(dice, 28) % 100 < 4 AS is_mms,
    bitShiftRight(dice, 36) % 1000 AS fate,
    is_outbound AND fate < 40 AS is_failed,
    is_outbound AND fate >= 40 AND fate < 60 AS is_undelivered,
    is_mms ? 1 : [1, 1, 1, 1, 1, 2, 2, 3][1 + bitShiftRight(dice2, 8) % 8] AS parts,
    7900 * parts AS base, 3000 * parts AS carrier,
    {start_ms:Int64} + toInt64(floor((number - {first:UInt64}) * {span_ms:Int64} / {rows:UInt64}))
        AS at_ms
SELECT
    user,
    fromUnixTimestamp64Milli(at_ms, 'UTC'),
    concat('SM', leftPad(toString(number), 32, '0')),
    number + 1,
    user % {partitions:UInt32},
    number + 1,
    'event',
    bitOr(cityHash64(user, bitShiftRight(dice2, 16) % 300), 1),
    is_outbound ? 'outbound' : 'inbound',
    is_mms ? 'mms' : 'sms',
    countries[1 + (bitShiftRight(dice, 44) % 100 < 85 ? user : user * 7 + 3) % 20],
    multiIf(NOT is_outbound, 'received', is_failed, 'failed', is_undelivered, 'undelivered',
            fate < 70, 'sent', fate < 75, 'canceled', 'delivered'),
    is_failed OR is_undelivered ? [30003, 30005, 30006, 30007, 30008][1 + fate % 5] : NULL,
    parts,
    bitShiftRight(dice2, 24) % 8 = 0 ? 'UCS-2' : 'GSM-7',
    is_mms ? bitShiftRight(dice2, 28) % 3 : 0,
    20 + bitShiftRight(dice2, 32) % (130 * parts),
    toInt64(20000 * exp2((bitShiftRight(dice2, 40) % 700) / 100)),
    is_outbound AND fate >= 75 ? toInt64(400 * exp2((bitShiftRight(dice2, 48) % 600) / 100)) : NULL,
    'rate_card',
    is_failed ? 0 : base,
    is_failed ? 0 : carrier,
    is_failed ? 1000 : 0,
    bitShiftRight(dice2, 50) % 10 = 0 AND NOT is_failed ? base : 0,
    base, carrier, 1000,
    bitShiftRight(dice2, 54) % 40 = 0 ? parts - 1 : 0,
    bitShiftRight(dice2, 56) % 40 = 0 ? least(1, parts - 1) : 0,
    is_outbound ? [number + 1, number + 2] : [],
    is_outbound ? [5, 11] : [],
    is_outbound ? [NULL, NULL] : [],
    is_outbound ? [NULL, NULL] : [],
    is_outbound ? [at_ms, at_ms + 2000] : [],
    is_outbound ? [0, 0] : []
FROM numbers({first:UInt64}, {rows:UInt64})
"""

_PROGRESS = """
INSERT INTO source_progress (source, next_offset, end_offset, as_of, topic_id, partitions)
SELECT number, {rows:UInt64} + 1, {rows:UInt64} + 1, now64(3), 'an earlier topic',
       {partitions:UInt16}
FROM numbers({partitions:UInt16})
"""


def fill(client: Client, per_day: int, users: int, days: int = DAYS) -> int:
    """Put messages of the `days` up to now into all tables; how many they are."""
    end = int(time.time())
    start, first = end - days * _DAY_S, 0
    for begin in range(start // _DAY_S * _DAY_S, end, _DAY_S):
        since, until = max(begin, start), min(begin + _DAY_S, end)
        rows = math.ceil(per_day * (until - since) / _DAY_S)
        _fill_day(client, users, first, rows, since, until)
        first += rows
    since = end - _MINUTES_KEPT_S
    _sum(client, SYSTEM_1M, USAGE_LOG, since, end)
    _merge_quiet_months(client, end)
    client.command(_PROGRESS, parameters={"rows": first, "partitions": _PARTITIONS})
    return first


def _merge_quiet_months(client: Client, end: int) -> None:
    """What ClickHouse does by itself with a month that nothing was written to for a day
    (migrations 30 to 36)."""
    for table in {USAGE_LOG, *CELL_TABLES, USER_TOTALS_15M} - {SYSTEM_1M}:
        found = client.query(
            "SELECT DISTINCT partition FROM system.parts WHERE active AND table = {table:String}"
            " AND database = currentDatabase()"
            " AND partition < toString(toYYYYMM(toDateTime({end:UInt32}, 'UTC'))) ORDER BY 1",
            parameters={"table": table, "end": end},
        )
        for (month,) in found.result_rows:
            client.command(f"OPTIMIZE TABLE {table} PARTITION {month} FINAL")


def _fill_day(client: Client, users: int, first: int, rows: int, since: int, until: int) -> None:
    parameters = {
        "users": users,
        "first": first,
        "rows": rows,
        "start_ms": since * 1000,
        "span_ms": (until - since) * 1000,
        "partitions": _PARTITIONS,
    }
    client.command(_MESSAGES, parameters=parameters)
    _sum(client, USER_15M, USAGE_LOG, since, until)
    begin = since // _DAY_S * _DAY_S
    _sum(client, USER_1D, USER_15M, begin, until)
    _sum(client, SYSTEM_15M, USER_15M, begin, until)
    _sum(client, SYSTEM_1D, SYSTEM_15M, begin, until)
    _sum(client, SYSTEM_TOTALS_15M, SYSTEM_15M, begin, until)


def _sum(client: Client, table: str, origin: str, since: int, until: int) -> None:
    """Sum the rows of `origin` in [since, until) into the cells of `table`."""
    is_log = origin == USAGE_LOG
    at = "occurred_at" if is_log else "origin.bucket"
    key = [column for column in CELL_KEYS[table] if column != "bucket"]
    sums = _sums_of_messages() if is_log else _sums_of_cells()
    chosen = ", ".join(f"{sql} AS {name}" for name, sql in sums.items())
    arrays = [f"{name} AS {column}" for name, column in _array_columns(is_log)]
    width_s = WIDTH_MS[table] // 1000
    names = [*key, "bucket", "version", *COUNTERS, *(c for pair in SPARSE for c in pair[:2])]
    counted = [f"s.{name}" for name in (*key, "bucket_", "version_", *(f"{c}_" for c in COUNTERS))]
    client.command(
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join([*counted, *arrays])} FROM ("
        f"SELECT {', '.join(f'origin.{name} AS {name}' for name in key)},"
        f" toStartOfInterval(toDateTime({at}, 'UTC'), INTERVAL {width_s} SECOND, 'UTC')"
        f" AS bucket_, max(origin.version) AS version_, {chosen} FROM {origin} AS origin"
        f" WHERE {at} >= toDateTime({since}, 'UTC') AND {at} < toDateTime({until}, 'UTC')"
        f" GROUP BY {', '.join(key)}, bucket_) AS s"
    )


def _sums_of_cells() -> dict[str, str]:
    sums = {f"{name}_": f"{'max' if name in MAXIMA else 'sum'}(origin.{name})" for name in COUNTERS}
    maps = {f"{keys}_": f"sumMap(origin.{keys}, origin.{counts})" for keys, counts, _ in SPARSE}
    return sums | maps


def _sums_of_messages() -> dict[str, str]:
    sums = {f"status_{status}_": f"countIf(status = '{status}')" for status in STATUSES}
    sums |= {
        f"{name}_": f"sum(toInt64(origin.{name}))"
        for name in COUNTERS
        if name.endswith(("_micros", "_segments")) or name in ("segments", "body_length")
    }
    return sums | {
        "messages_": "count()",
        "processing_count_": "count(processing_us)",
        "processing_sum_us_": "sum(processing_us)",
        "processing_max_us_": "max(processing_us)",
        "latency_count_": "count(latency_ms)",
        "latency_sum_ms_": "sum(latency_ms)",
        "latency_max_ms_": "max(latency_ms)",
        "ucs2_messages_": "countIf(encoding = 'UCS-2')",
        "error_codes_": "sumMap(arrayFilter(c -> c != 0, [ifNull(error_code, 0)]),"
        " arrayMap(c -> toInt64(1), arrayFilter(c -> c != 0, [ifNull(error_code, 0)])))",
        "processing_bins_": _histogram("processing_us"),
        "latency_bins_": _histogram("latency_ms"),
    }


def _histogram(column: str) -> str:
    """The bins of `schemas.histogram` of values from 128 on."""
    value = f"toUInt64(assumeNotNull({column}))"
    shift = f"toUInt8(greatest(0, floor(log2({value})) - 6))"
    place = f"toUInt16(bitShiftLeft(toUInt64({shift}), 6) + bitShiftRight({value}, {shift}))"
    has = f"{column} IS NOT NULL"
    return f"sumMapIf([{place}], [toInt64(1)], {has})"


def _array_columns(is_log: bool) -> list[tuple[str, str]]:
    found = []
    for keys, counts, kind in SPARSE:
        found.append((f"CAST(s.{keys}_.1, 'Array({kind})')", keys))
        found.append((f"CAST(s.{keys}_.2, 'Array(Int64)')", counts))
    return found


def main() -> None:
    """`python -m bench.history DIRECTORY [--times 100]`: make tables for `bench.clients`."""
    arguments = argparse.ArgumentParser(description=main.__doc__)
    arguments.add_argument("directory", type=Path)
    arguments.add_argument("--times", type=int, default=1)
    options = arguments.parse_args()
    options.directory.mkdir(parents=True)
    port, began = free_port(), time.monotonic()
    log = options.directory.with_suffix(".log")
    server = clickhouse.start(options.directory, port, "bench-only", log)
    try:
        url = clickhouse.url(port, "bench-only")
        migrate(url)
        arguments_of = clickhouse_arguments(url)
        client = clickhouse_connect.get_client(**arguments_of, send_receive_timeout=600)
        rows = fill(client, PER_DAY * options.times, USERS)
        print(f"{rows:,} messages in {time.monotonic() - began:.0f} s")
    finally:
        server.stop(30)


if __name__ == "__main__":
    main()
