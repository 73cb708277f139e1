"""The checks of `/readyz`, one reason each, and the freshness that they and answers share."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from query_api.freshness import Freshness, freshness
from query_api.questions import Row
from query_api.readiness import lag_check, migrations_check, positions_check, worker_check
from schemas.migrations import MIGRATIONS
from schemas.units import source

_NOW = 1_700_000_000.0
_NOW_MS = int(_NOW * 1000)


def _row(partition: int = 0, **changes: int) -> Row:
    row = {
        "source": source(1, partition),
        "next_offset": 100,
        "end_offset": 100,
        "partitions": 2,
        "as_of_ms": _NOW_MS,
        "updated_at_ms": _NOW_MS,
    }
    return row | changes


_GOOD = [_row(0), _row(1)]


def test_migrations() -> None:
    applied = [{"number": m.number, "checksum": m.checksum} for m in MIGRATIONS]
    newer = {"number": 9999, "checksum": "aa"}
    assert migrations_check([*applied, newer], MIGRATIONS).status == "ok"
    missing = migrations_check(applied[:-1], MIGRATIONS)
    assert missing.status == "failed"
    assert missing.detail == f"{MIGRATIONS[-1].number:04d}_{MIGRATIONS[-1].name} is not applied"
    edited = migrations_check([{**applied[0], "checksum": "aa"}, *applied[1:]], MIGRATIONS)
    assert edited.detail == "0001_create_usage_log was applied with other text"


@pytest.mark.parametrize(
    ("rows", "detail"),
    [
        ([], "no worker has ever made progress"),
        ([_row(0)], "1 of 2 partitions were never read"),
        ([_row(0), _row(1, updated_at_ms=_NOW_MS - 16_000)], "no progress for 16 s on partition 1"),
        ([_row(0), _row(1, updated_at_ms=_NOW_MS - 15_000)], None),
        (_GOOD, None),
    ],
)
def test_worker(rows: list[Row], detail: str | None) -> None:
    check = worker_check(rows, _NOW, 15)
    assert check.status == ("failed" if detail else "ok")
    assert detail in (None, check.detail)


@pytest.mark.parametrize(
    ("rows", "status", "detail"),
    [
        (_GOOD, "ok", "0 events and 0 s behind the log"),
        ([_row(0, next_offset=90), _row(1, next_offset=80)], "ok", "30 events"),
        ([_row(0, next_offset=70), _row(1, next_offset=79)], "failed", "51 events"),
        ([_row(0, as_of_ms=_NOW_MS - 61_000), _row(1)], "failed", "61 s behind the log (limits 50"),
        ([_row(0, as_of_ms=_NOW_MS + 9_000), _row(1)], "ok", "0 s behind"),
        ([_row(0)], "unknown", "not every partition"),
        ([], "unknown", "not every partition"),
    ],
)
def test_lag(rows: list[Row], status: str, detail: str) -> None:
    check = lag_check(rows, _NOW, 60, 50)
    assert check.status == status
    assert detail in check.detail


def test_a_position_that_stops_workers_is_named_with_the_command_that_helps() -> None:
    attempt = {
        "source": source(1, 1),
        "next_offset": 100,
        "attempts": 4,
        "error": "KeyError:\n  'x'",
    }
    check = positions_check([attempt], _GOOD)
    assert check.status == "failed"
    assert check.detail == (
        "partition 1 has stopped at offset 100 after 4 attempts (KeyError: 'x'); "
        "`sms-analytics dlq quarantine 1 100` sets the record aside"
    )
    assert positions_check([attempt], []).status == "failed"
    assert positions_check([attempt], [_row(0), _row(1, next_offset=101)]).status == "ok"
    assert positions_check([], _GOOD).status == "ok"


@pytest.mark.parametrize(
    ("rows", "as_of_ms"),
    [
        ([_row(0, as_of_ms=5000), _row(1, as_of_ms=4000)], 4000),
        ([_row(0, as_of_ms=5000)], None),
        ([], None),
    ],
)
def test_data_is_as_old_as_its_oldest_source(rows: list[Row], as_of_ms: int | None) -> None:
    assert freshness(rows) == Freshness(as_of_ms)


def test_overdue_is_72_hours_before() -> None:
    three_days = 72 * 3600
    assert Freshness(None).overdue_before == 0
    assert Freshness(None).data_as_of is None
    assert Freshness((three_days + 900) * 1000).overdue_before == 900
    assert Freshness((three_days + 900) * 1000 - 1).overdue_before == 899
    moment = Freshness(1_772_409_600_123).data_as_of
    assert moment is not None
    assert moment.isoformat() == "2026-03-02T00:00:00.123000+00:00"


def test_readyz_says_why_clickhouse_cannot_be_reached(client: TestClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"]
    problem = answer.json()
    checks = {check["name"]: check for check in problem["checks"]}
    assert set(checks) == {"clickhouse", "migrations", "worker", "lag", "positions", "rates"}
    assert checks["clickhouse"]["status"] == "failed"
    assert "refused" in checks["clickhouse"]["detail"]
    assert checks["worker"]["status"] == checks["rates"]["status"] == "unknown"
    assert problem["ready"] is False
    assert problem["detail"].startswith("clickhouse: ")
