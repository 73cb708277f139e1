"""Migrations that copy tables: rows, retention, and the view that fills another table."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from deploy.migrate import migrate
from schemas import rows
from schemas.migrations import MIGRATIONS
from schemas.settings import clickhouse_arguments

pytestmark = pytest.mark.live

_BEFORE = 23
_SMALL = "index_granularity = 1024, min_compress_block_size = 8192, max_compress_block_size = 65536"
_MERGED = "min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1"
_FEW_ROWS = (
    "merge_selector_base = 6, merge_selector_enable_heuristic_to_remove_small_parts_at_right = 0,"
    " auto_statistics_types = ''"
)
_SETTINGS = {
    rows.USER_15M: f"{_SMALL}, {_MERGED}",
    rows.USAGE_LOG: f"{_SMALL}, {_MERGED}",
    rows.USER_1D: "index_granularity = 256, min_compress_block_size = 4096,"
    f" max_compress_block_size = 65536, {_MERGED}",
    rows.USER_TOTALS_15M: f"index_granularity = 8192, {_MERGED}",
    rows.SYSTEM_15M: f"index_granularity = 8192, {_MERGED}",
    rows.SYSTEM_1D: f"index_granularity = 8192, {_MERGED}",
    rows.SYSTEM_TOTALS_15M: f"{_MERGED}, index_granularity = 8192",
}
_COPIED = {
    rows.USAGE_LOG: "toDateTime(occurred_at)",
    rows.USER_15M: "bucket",
    rows.USER_TOTALS_15M: "bucket",
}
_CELL = (
    "direction String, message_type String, country String, source UInt32, version UInt64,"
    " messages Int64, longest Int64, codes Array(Int32), failed Array(Int64), bins Array(UInt16),"
    " counts Array(Int64)"
)
_BY_FREQUENCY = (
    *("delivered", "received", "sent", "failed", "undelivered", "read", "queued", "sending"),
    *("accepted", "receiving", "partially_delivered", "scheduled", "canceled"),
)
_MONTHS = 120
_MONTH = "toStartOfMonth(now('UTC')) - INTERVAL number MONTH"
_numbers = itertools.count()


@pytest.fixture
def before(clickhouse: str) -> Iterator[str]:
    """The URL of a database as it was before tables were copied into smaller granules."""
    url = f"{clickhouse.removesuffix('/default')}/before_{next(_numbers)}"
    migrate(url, MIGRATIONS[:_BEFORE])
    yield url
    with _client(clickhouse) as client:
        client.command(f"DROP DATABASE {url.rpartition('/')[2]}")


def _client(url: str) -> Client:
    return clickhouse_connect.get_client(**clickhouse_arguments(url))


def _fill(client: Client) -> None:
    """A message and a cell a month for ten years, the oldest twice: a new version replaces it."""
    for months in (_MONTHS, 1):
        client.command(
            "INSERT INTO usage_log (user_id, occurred_at, message_sid, version, rate_origin,"
            f" user_decision, history_position) SELECT 7, {_MONTH}, concat('SM', toString(number)),"
            f" {months}, 'twilio', 'erased', [number] FROM numbers({months})"
            " SETTINGS max_partitions_per_insert_block = 0"
        )
        client.command(
            "INSERT INTO user_usage_15m (user_id, bucket, version, messages, error_codes,"
            f" error_messages) SELECT 7, {_MONTH}, {_MONTHS} - {months}, {months}, [30003],"
            f" [number] FROM numbers({months}) SETTINGS max_partitions_per_insert_block = 0"
        )


def _rows(client: Client, table: str) -> list[tuple[object, ...]]:
    order = "message_sid" if table == rows.USAGE_LOG else "bucket"
    found = client.query(f"SELECT * FROM {table} FINAL ORDER BY {order}")
    return [found.column_names, *map(tuple, found.result_rows)]


def test_rows_and_their_retention_are_those_of_before(before: str) -> None:
    with _client(before) as client:
        for table, column in _COPIED.items():
            client.command(f"ALTER TABLE {table} MODIFY TTL {column} + INTERVAL 4000 DAY")
        _fill(client)
        held = {table: _rows(client, table) for table in _COPIED}
        assert [len(found) for found in held.values()] == [_MONTHS + 1] * 3
        assert migrate(before) == list(MIGRATIONS[_BEFORE:])
        for table in _COPIED:
            client.command(f"OPTIMIZE TABLE {table} FINAL")  # as merges do: what is expired goes
        assert {table: _rows(client, table) for table in _COPIED} == held


def test_the_tables_have_the_new_settings(before: str) -> None:
    migrate(before)
    with _client(before) as client:
        for table, settings in _SETTINGS.items():
            ((text,),) = client.query(f"SHOW CREATE TABLE {table}").result_rows
            assert text.endswith(f" + toIntervalDay(400)\nSETTINGS {settings}, {_FEW_ROWS}")
        ((text,),) = client.query(f"SHOW CREATE TABLE {rows.USAGE_LOG}").result_rows
        assert "INDEX sid_bloom message_sid TYPE bloom_filter(0.0001) GRANULARITY 8\n" in text


def test_the_view_fills_its_table_afterwards_and_saw_nothing_of_the_copy(before: str) -> None:
    cell = "INSERT INTO user_usage_15m (user_id, bucket, version, messages) VALUES (7, {}, {}, {})"
    with _client(before) as client:
        client.command(cell.format("toStartOfHour(now())", 1, 5))
        migrate(before)
        ((count,),) = client.query("SELECT count() FROM user_totals_15m").result_rows
        assert count == 1
        client.command(cell.format("toStartOfHour(now())", 2, 6))
        client.command(cell.format("toStartOfDay(now()) - INTERVAL 1 DAY", 3, 1))
        found = client.query("SELECT messages FROM user_totals_15m FINAL ORDER BY bucket")
        assert found.result_rows == [(1,), (6,)]


def test_numbers_of_before_are_known_and_so_are_those_of_afterwards(before: str) -> None:
    message = (
        "INSERT INTO usage_log (user_id, phone_hash, occurred_at, message_sid, first_position)"
        " VALUES ({}, {}, now() - {}, '{}', {})"
    )
    with _client(before) as client:
        for values in ((7, 11, 60, "SM1", 5), (7, 11, 90, "SM2", 9), (7, 0, 0, "SM3", 10)):
            client.command(message.format(*values))
        migrate(before)
        for values in ((7, 11, 30, "SM4", 3), (0, 12, 0, "SM5", 11), (8, 12, 5, "SM6", 12)):
            client.command(message.format(*values))
        found = client.query(
            "SELECT user_id, phone_hash, first_position, round((now() - last_at) / 30)"
            " FROM phones_seen FINAL ORDER BY user_id"
        )
        assert found.result_rows == [(7, 11, 9, 1), (8, 12, 12, 0)]


def test_the_systems_totals_are_what_was_counted_before(before: str) -> None:
    names = (
        "direction, message_type, country_code, source, version, messages, processing_max_us,"
        " error_codes, error_messages, processing_bins, processing_counts"
    )
    cells = (
        "('outbound', 'sms', 'US', 1, 4, 100, 100, [1], [100], [1], [100])",  # replaced by the next
        "('outbound', 'sms', 'US', 1, 5, 2, 70, [30003], [1], [7, 9], [1, 1])",
        "('outbound', 'mms', 'GB', 1, 9, 3, 40, [30003, 30005], [1, 2], [7], [3])",
        "('outbound', 'sms', 'US', 2, 3, 4, 50, [], [], [], [])",
        "('inbound', 'sms', 'US', 1, 8, 6, 60, [], [], [8], [6])",
    )
    with _client(before) as client:
        for cell in cells:
            client.command(
                f"INSERT INTO system_usage_15m (bucket, {names}) SELECT toStartOfHour(now()), c.*"
                f" FROM values('{_CELL}', {cell}) AS c"
            )
        migrate(before)
        found = client.query(
            "SELECT toString(direction), source, version, messages, processing_max_us, error_codes,"
            " error_messages, processing_bins, processing_counts, segments"
            " FROM system_totals_15m ORDER BY direction, source"
        )
        assert found.result_rows == [
            ("inbound", 1, 8, 6, 60, [], [], [8], [6], 0),
            ("outbound", 1, 9, 5, 70, [30003, 30005], [2, 2], [7, 9], [4, 1], 0),
            ("outbound", 2, 3, 4, 50, [], [], [], [], 0),
        ]


def test_computed_columns_are_of_the_rows_of_before_too(before: str) -> None:
    log = (
        "user_id, occurred_at, message_sid, version, direction, message_type, status, base_micros,"
        " failed_fee_micros, segments, gsm_saved_segments, body_length"
    )
    messages = {
        "7, now(), 'a', 1, 'outbound', 'sms', 'delivered', 8000, 0, 1, 0, 10": [8000, 1],
        "7, now(), 'b', 1, 'outbound', 'sms', 'failed', 0, 1000, 1, 0, 10": [1000, 0, 1],
        "7, now(), 'c', 1, 'outbound', 'sms', 'sent', 3000, 0, 3, 2, 70": [3000, 0, 0, 1, 2, 2000],
        "7, now(), 'd', 1, 'outbound', 'mms', 'read', 20000, 0, 1, 0, 161": [
            *(20000, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 20000, 2)
        ],
        "7, now(), 'e', 1, 'inbound', 'sms', 'received', 8000, 0, 1, 0, 10": [],
        "7, now(), 'f', 1, 'outbound', 'sms', 'queued', 0, 0, 1, 0, 10": [],
    }
    numbered = {f"status_{status}": number for number, status in enumerate(_BY_FREQUENCY, 1)}
    cell = {
        "user_id": "7",
        "bucket": "toStartOfDay(now())",
        **{"messages": 91, "segments": 95, "body_length": 900},
        **{"base_micros": 100, "carrier_fee_micros": 20, "failed_fee_micros": 3},
        **numbered,
    }
    names, values = (", ".join(map(str, some)) for some in (cell, cell.values()))
    with _client(before) as client:
        for table in (rows.USER_15M, rows.USER_1D):
            client.command(f"INSERT INTO {table} ({names}) VALUES ({values})")
        for message in messages:
            client.command(f"INSERT INTO usage_log ({log}) VALUES ({message})")
        migrate(before)
        for _ in range(2):  # beside, or before, the mutation; and behind it
            found = client.query("SELECT savings FROM usage_log ORDER BY message_sid").result_rows
            assert [row[0] for row in found] == list(messages.values())
            found = client.query("SELECT totals, statuses FROM user_usage_15m").result_rows
            assert found == [([91, 95, 900, 1 + 2 + 6, 4 + 5, 13, 123], list(range(1, 14)))]
            found = client.query(
                "SELECT statuses, good, bad, cost_micros FROM user_usage_1d"
            ).result_rows
            assert found == [(list(range(1, 14)), 1 + 2 + 6, 4 + 5, 123)]
            _wait_for_mutations(client)


def _wait_for_mutations(client: Client) -> None:
    deadline = time.monotonic() + 60
    ask = "SELECT count() FROM system.mutations WHERE database = currentDatabase() AND NOT is_done"
    while client.command(ask):
        assert time.monotonic() < deadline
        time.sleep(0.05)
