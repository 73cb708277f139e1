"""Receipts through the real worker: across restarts, before their message, long after it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.rows import CELL_TABLES, COUNTERS, ORPHANS, USAGE_LOG
from tests.streams import harness
from tests.streams.harness import Bench

pytestmark = pytest.mark.live

_NOW = datetime.now(UTC).replace(microsecond=0)
_MONEY = ("base_micros", "carrier_fee_micros", "failed_fee_micros", "provisional_micros")


@pytest.fixture
def bench(kafka: str, clickhouse: str, tmp_path: Path) -> Iterator[Bench]:
    with harness.bench(kafka, clickhouse, tmp_path) as made:
        yield made


def _event(sid: str, ago: timedelta, **fields: Any) -> tuple[bytes, bytes]:
    content = {
        "event_id": f"E-{sid}-{ago}",
        "message_sid": sid,
        "user_id": 7,
        "occurred_at": (_NOW - ago).isoformat(),
        **fields,
    }
    return b"7", json.dumps(content).encode()


def _message(sid: str, ago: timedelta, **fields: Any) -> tuple[bytes, bytes]:
    return _event(sid, ago, direction="outbound", country_code="US", **fields)


def _receipt(sid: str, ago: timedelta, status: str, **fields: Any) -> tuple[bytes, bytes]:
    return _event(sid, ago, type="status", status=status, **fields)


def _send(bench: Bench, *events: tuple[bytes, bytes]) -> None:
    for event in events:
        bench.send(event)
    bench.finish()


def _log(bench: Bench) -> dict[str, tuple[Any, ...]]:
    columns = "message_sid, toString(status), error_code, base_micros, toString(cost_source)"
    rows = bench.rows(f"SELECT {columns}, length(history_position) FROM {USAGE_LOG} FINAL")
    return {row[0]: row[1:] for row in rows}


def _totals(bench: Bench, table: str) -> dict[str, int]:
    sums = ", ".join(f"sum({name})" for name in COUNTERS)
    (row,) = bench.rows(f"SELECT {sums} FROM {table} FINAL")
    return {name: total for name, total in zip(COUNTERS, row, strict=True) if total}


def test_an_orphan_survives_a_restart_and_counts_with_its_message(bench: Bench) -> None:
    second = timedelta(seconds=1)
    bench.start()
    _send(bench, _receipt("SM1", 5 * second, "delivered", body="secret"))
    rows = bench.rows(f"SELECT record_value FROM {ORPHANS} FINAL WHERE NOT is_gone")
    assert len(rows) == 1
    assert "secret" not in rows[0][0]
    assert bench.terminate() == 0
    bench.start()
    _send(bench, _message("SM1", 9 * second))
    assert _log(bench)["SM1"][0] == "delivered"
    assert bench.rows(f"SELECT is_gone FROM {ORPHANS} FINAL") == [(1,)]
    for table in CELL_TABLES:
        totals = _totals(bench, table)
        assert (totals["messages"], totals["status_delivered"]) == (1, 1), table
        assert (totals["latency_count"], totals["latency_sum_ms"]) == (1, 4_000), table


@pytest.mark.parametrize("age", [timedelta(hours=1), timedelta(days=2), timedelta(days=30)])
def test_receipts_for_messages_that_left_the_memory(bench: Bench, age: timedelta) -> None:
    bench.start()
    _send(bench, _message("SM1", age), _message("SM2", age))
    assert bench.terminate() == 0
    bench.start(MAX_HOT_CELLS=1000, MAX_RECENT_MESSAGES=1000)
    second = timedelta(seconds=1)
    failed = _receipt("SM1", age - second, "failed", error_code=30003)
    price = _receipt("SM2", age - 2 * second, "delivered", price="-0.0123")
    _send(bench, failed, price, failed, price, _receipt("SM2", age, "queued"))
    log = _log(bench)
    assert log["SM1"] == ("failed", 30003, 0, "rate_card", 2)
    assert log["SM2"] == ("delivered", None, 12_300, "provider", 3)
    for table in CELL_TABLES:
        if table == "system_usage_1m" and age > timedelta(days=1):
            continue
        totals = _totals(bench, table)
        assert (totals["messages"], totals["status_failed"]) == (2, 1), table
        assert totals["status_delivered"] == 1
        assert totals["base_micros"] == 12_300
        assert "provisional_micros" not in totals
    bench.terminate()
