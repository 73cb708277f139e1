"""Erasure through the real worker: nothing of the user is left or returns, every total stays."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.privacy import Erasure, erasure_key
from schemas.rows import (
    CELL_TABLES,
    ORPHANS,
    PHONES_SEEN,
    SYSTEM_TABLES,
    USAGE_LOG,
    USER_TABLES,
)
from schemas.topics import PRIVACY, USER_PHONES
from streams import reconcile
from streams.compacted import publish
from tests.streams import harness
from tests.streams.harness import Bench, until

pytestmark = pytest.mark.live

_NOW = datetime.now(UTC).replace(microsecond=0)
_NUMBER, _OTHER = "+4915112345678", "+4915187654321"
_KEYS = {7: b"7", 8: b"8", _NUMBER: _NUMBER.encode()}


@pytest.fixture
def bench(kafka: str, clickhouse: str, tmp_path: Path) -> Iterator[Bench]:
    with harness.bench(kafka, clickhouse, tmp_path) as made:
        yield made


def _event(sid: str, who: int | str, minutes_ago: float, **fields: Any) -> tuple[bytes, bytes]:
    content = {
        "event_id": f"E-{sid}-{minutes_ago}",
        "message_sid": sid,
        "user_id" if isinstance(who, int) else "phone_number": who,
        "occurred_at": (_NOW - timedelta(minutes=minutes_ago)).isoformat(),
        **fields,
    }
    return str(who).encode(), json.dumps(content).encode()


def _message(sid: str, who: int | str = 7, minutes_ago: float = 60, **fields: Any) -> Any:
    fields = {"direction": "outbound", "counterparty": _OTHER, "mcc_mnc": "26201", **fields}
    return _event(sid, who, minutes_ago, **fields)


def _receipt(sid: str, who: int | str = 7, minutes_ago: float = 59, **fields: Any) -> Any:
    return _event(sid, who, minutes_ago, type="status", **{"status": "delivered", **fields})


def _request(bench: Bench, user_id: int, receipt_id: str, topic_id: str = "") -> None:
    ends = {str(partition): end for partition, end in bench.ends().items()}
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    record = Erasure(user_id, receipt_id, at, user_id, topic_id, ends)
    publish(bench.broker, PRIVACY, {erasure_key(user_id): msgspec.json.encode(record)})


def _wait_until_done(bench: Bench, receipt_id: str, sources: int = 2) -> None:
    query = (
        f"SELECT count() FROM erasures FINAL WHERE receipt_id = '{receipt_id}' AND step = 'done'"
    )

    def is_done() -> bool:
        assert bench.worker.exit_status is None, bench.output[-4000:]
        return bool(bench.rows(query)[0][0] == sources)

    until(is_done, f"erasure {receipt_id} is not done")


def _system(bench: Bench) -> dict[str, list[Any]]:
    """All rows of the system's cells, as they are summed up."""
    return {
        table: sorted(bench.rows(f"SELECT * EXCEPT (version) FROM {table} FINAL"), key=repr)
        for table in SYSTEM_TABLES
    }


def _assert_exact(bench: Bench) -> None:
    found = list(reconcile.differences(bench.client, int(time.time())))
    assert not found, found


def _assert_nothing_of(bench: Bench, user_id: int, *texts: str) -> None:
    """No row, merged or not, has the user or any of these texts."""
    for table in (USAGE_LOG, PHONES_SEEN, *USER_TABLES):
        assert bench.rows(f"SELECT count() FROM {table} WHERE user_id = {user_id}") == [(0,)], table
    for table in (USAGE_LOG, ORPHANS, *CELL_TABLES):
        bench.client.command(f"OPTIMIZE TABLE {table} FINAL")
        everything = repr(bench.rows(f"SELECT * FROM {table}"))
        for text in texts:
            assert text not in everything, (table, text)


def test_an_erasure_leaves_stubs_and_totals_and_later_messages_count(bench: Bench) -> None:
    publish(bench.broker, USER_PHONES, {_NUMBER: b'{"user_id":7}'})
    bench.start()
    bench.send(
        _message("SM1"),
        _message("SM2", status="queued"),
        _message("SM3", _NUMBER),
        _message("SM4", 8),
        _receipt("SM1", price="-0.0123"),
        _receipt("SM5"),
        _receipt("SM6", _NUMBER),
    )
    bench.finish()
    system = _system(bench)
    assert bench.rows(f"SELECT user_id FROM {PHONES_SEEN} FINAL") == [(7,)]
    _request(bench, 7, "r1")
    _wait_until_done(bench, "r1")
    _assert_nothing_of(bench, 7, "SM1", "SM2", "SM3", "SM5", "SM6", _NUMBER)
    assert _system(bench) == system
    _assert_exact(bench)
    stubs = bench.rows(
        "SELECT user_id, toString(user_decision), phone_hash, counterparty_hash, mcc_mnc"
        f" FROM {USAGE_LOG} FINAL WHERE message_sid LIKE 'erased:%'"
    )
    assert stubs == [(0, "erased", 0, 0, "")] * 3
    # Duplicates and receipts of before find the stubs; what is new counts for the user.
    bench.send(
        _message("SM1"),
        _message("SM3", _NUMBER),
        _receipt("SM2", status="failed", error_code=30003),
        _receipt("SM3", _NUMBER),
        _message("SM7"),
        _message("SM8", _NUMBER),
        _message("SM5"),
    )
    bench.finish()
    _assert_exact(bench)
    assert bench.totals()["system_usage_15m"] == 7
    assert bench.users() == {0: 3, 7: 3, 8: 1}
    failed, delivered = bench.rows(
        "SELECT sum(status_failed), sum(status_delivered) FROM system_usage_15m FINAL"
    )[0]
    assert (failed, delivered) == (1, 3)
    # The same from the beginning of the log, by a worker that remembers nothing.
    system = _system(bench)
    bench.terminate()
    bench.client.command("TRUNCATE TABLE source_progress")
    bench.group += "-again"
    bench.start()
    bench.finish()
    assert _system(bench) == system
    assert bench.users() == {0: 3, 7: 3, 8: 1}
    _assert_exact(bench)
    everything = repr(bench.rows(f"SELECT * FROM {USAGE_LOG}"))
    assert not any(f"'{sid}'" in everything for sid in ("SM1", "SM2", "SM3"))


def test_an_erasure_while_no_worker_runs_reaches_what_the_log_holds(bench: Bench) -> None:
    topic_id = bench.topic_id()
    bench.send(_message("SM1"), _receipt("SM1"), _message("SM2", 8), _message("SM3", _NUMBER))
    publish(bench.broker, USER_PHONES, {_NUMBER: b'{"user_id":7}'})
    _request(bench, 7, "r1", topic_id)
    bench.send(_message("SM4"), _receipt("SM4"), _receipt("SM1", status="read"))
    bench.start()
    bench.finish()
    _wait_until_done(bench, "r1")
    assert bench.users() == {0: 2, 7: 1, 8: 1}
    _assert_exact(bench)
    assert set(bench.log()) & {"SM1", "SM3"} == set()
    assert {sid for sid in bench.log() if sid.startswith("SM")} == {"SM2", "SM4"}
    bench.terminate()


_POINTS = (
    "before writing erasures",
    "after writing erasures",
    "after writing stubs",
    "after deleting from usage_log",
    "before deleting from user_usage_1d",
)


def test_an_erasure_that_is_killed_anywhere_is_gone_on_with(bench: Bench, tmp_path: Path) -> None:
    point = tmp_path / "point"
    command = (sys.executable, "-m", "tests.streams.dying", str(point))
    users = range(100, 100 + len(_POINTS))
    bench.start(command)
    for user in users:
        bench.send(
            _message(f"SM{user}a", user),
            _message(f"SM{user}b", user, minutes_ago=4000),
            _receipt(f"SM{user}a", user),
            _receipt(f"SM{user}-later", user),
        )
    bench.finish()
    system = _system(bench)
    for user, name in zip(users, _POINTS, strict=True):
        point.write_text(name)
        _request(bench, user, f"r{user}")
        until(lambda: bench.worker.exit_status is not None, f"not killed {name}")
        bench.start(command)
        # Folded between the take-up and what comes after it.
        bench.send(_receipt(f"SM{user}b", user, status="delivered", minutes_ago=3999))
        bench.send(_receipt(f"SM{user}b", user, status="queued", minutes_ago=3999))
        _wait_until_done(bench, f"r{user}")
        bench.finish()
        _assert_nothing_of(bench, user, f"'SM{user}")
        removed = "SELECT sum(messages), sum(receipts), sum(cells) FROM erasures FINAL"
        assert bench.rows(f"{removed} WHERE user_id = {user}") == [(2, 1, 4)], name
    _assert_exact(bench)
    assert bench.totals()["system_usage_15m"] == 2 * len(_POINTS)
    changed = _system(bench)
    assert {table: len(rows) for table, rows in changed.items()} == {
        table: len(rows) for table, rows in system.items()
    }


def test_what_a_frozen_worker_writes_late_is_removed_again(bench: Bench) -> None:
    publish(bench.broker, USER_PHONES, {_NUMBER: b'{"user_id":7}'})
    bench.start()
    bench.send(_message("SM1", _NUMBER), _receipt("SM1"), _receipt("SM2"), _message("SM3", 8))
    bench.finish()
    tables = (USAGE_LOG, *USER_TABLES, ORPHANS)
    late = {
        table: bench.client.raw_query(f"SELECT * FROM {table}", fmt="Native") for table in tables
    }
    system = _system(bench)
    _request(bench, 7, "r1")
    _wait_until_done(bench, "r1")
    bench.send(_message("SM4"))
    bench.finish()
    users = bench.users()
    for table, rows in late.items():
        bench.client.raw_insert(table, insert_block=rows, fmt="Native")
    assert bench.rows(f"SELECT count() FROM {USAGE_LOG} WHERE message_sid = 'SM1'") == [(1,)]
    numbers = f"SELECT count() FROM {PHONES_SEEN}"
    assert bench.rows(numbers) == [(1,)]
    hidden = (
        "SELECT count() FROM user_usage_15m LEFT ANY JOIN erased_before USING (user_id, source)"
    )
    assert bench.rows(f"{hidden} WHERE user_id = 7 AND version < position") == [(1,)]
    # One that wakes up begins a new assignment; here the worker itself does.
    bench.terminate()
    bench.start()
    gone = f"SELECT count() FROM {USAGE_LOG} WHERE message_sid = 'SM1'"
    until(lambda: bench.rows(gone) == [(0,)], "the late rows are not removed")
    until(
        lambda: bench.rows(f"{hidden} WHERE user_id = 7 AND version < position") == [(0,)], "cells"
    )
    until(lambda: bench.rows(numbers) == [(0,)], "numbers")
    until(lambda: "SM2" not in repr(bench.rows(f"SELECT * FROM {ORPHANS}")), "receipts")
    assert bench.users() == users == {0: 1, 7: 1, 8: 1}
    assert bench.rows("SELECT sum(messages) FROM system_usage_15m FINAL") == [(3,)]
    assert system["system_usage_1d"]
    _assert_exact(bench)
