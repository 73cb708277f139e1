"""Retention by settings, on the real engine: what is too old goes when parts are merged."""

from __future__ import annotations

import time

import pytest
from clickhouse_connect.driver.client import Client

from schemas.rows import (
    PHONES_SEEN,
    SYSTEM_1M,
    SYSTEM_TABLES,
    USAGE_LOG,
    USER_TABLES,
    USER_TOTALS_15M,
)
from schemas.settings import Settings
from streams.retention import apply_retention

pytestmark = pytest.mark.live

_DAY_S = 86_400
_ROLLUPS = sorted({*USER_TABLES, *SYSTEM_TABLES} - {SYSTEM_1M})
_OF_MESSAGES = (USAGE_LOG, PHONES_SEEN)
_ALL = sorted([*_ROLLUPS, USER_TOTALS_15M, *_OF_MESSAGES])


def _fill(client: Client, *ages_days: int) -> None:
    now = int(time.time())
    for days in ages_days:
        at = now - days * _DAY_S
        client.command(
            f"INSERT INTO {USAGE_LOG} (user_id, occurred_at, message_sid, phone_hash) VALUES"
            f" (7, fromUnixTimestamp({at}), 'SM{days}', {days})"
        )
        for table in _ROLLUPS:
            user = "user_id, " if table in USER_TABLES else ""
            client.command(
                f"INSERT INTO {table} ({user}bucket, messages) VALUES"
                f" ({'7, ' if user else ''}fromUnixTimestamp({at}), {days})"
            )


def _ages(client: Client, table: str) -> list[int]:
    client.command(f"OPTIMIZE TABLE {table} FINAL")
    column = {USAGE_LOG: "substring(message_sid, 3)", PHONES_SEEN: "phone_hash"}
    age = column.get(table, "messages")
    rows = client.query(f"SELECT toUInt32({age}) AS age FROM {table} ORDER BY age").result_rows
    return [age for (age,) in rows]


def test_rows_beyond_the_retention_of_the_settings_go(clickhouse_client: Client) -> None:
    client = clickhouse_client
    assert apply_retention(client, Settings()) == []
    _fill(client, 1, 20, 50, 90)
    settings = Settings(message_retention_days=30, rollup_retention_days=60)
    done = apply_retention(client, settings)
    assert done == [
        f"{table} keeps rows for {30 if table in _OF_MESSAGES else 60} days" for table in _ALL
    ]
    assert apply_retention(client, settings) == []
    for table in _OF_MESSAGES:
        assert _ages(client, table) == [1, 20], table
    for table in (*_ROLLUPS, USER_TOTALS_15M):
        assert _ages(client, table) == [1, 20, 50], table
    # Longer again: what is gone stays gone, and new rows are kept longer.
    assert len(apply_retention(client, Settings())) == len(_ALL)
    _fill(client, 300)
    for table in _OF_MESSAGES:
        assert _ages(client, table) == [1, 20, 300], table
