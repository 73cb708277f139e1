"""An erasure asked for through the API and carried out by a worker: nothing of the user is left.

Not in any table, merged or not, not in any answer, not after a replay of the whole topic; and no
phone number is anywhere but in the topics, at any time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from query_api.app import create_app
from query_api.settings import ApiSettings
from schemas.rows import SYSTEM_TABLES
from schemas.topics import USER_PHONES
from streams import reconcile
from streams.compacted import publish
from tests.query_api.credentials import SECRET, claims, signed
from tests.streams import harness
from tests.streams.harness import Bench, until

pytestmark = pytest.mark.live

_BASE = "/api/v1/analytics"
_NOW = datetime.now(UTC).replace(microsecond=0)
_NUMBER, _COUNTERPARTY, _UNMAPPED = "+4915112345678", "+15552345678", "+4915187654321"
_ERASED, _OTHER = 777_001, 777_002
_OF_USER = [
    "/sms-analytics",
    "/sms-costs",
    "/messages?limit=1000",
    "/sms-usage-report?format=json",
    "/sms-usage-report?format=csv&detail=messages",
    "/data-export",
]
_OF_ADMIN = [
    f"/users/{_ERASED}/sms-analytics",
    f"/users/{_ERASED}/sms-costs",
    "/users",
    f"/users?user_id={_ERASED}",
    "/users?phone_number=%2B4915112345678",
    "/sms-analytics/system",
    "/sms-performance",
    "/sms-usage-report?format=json&detail=messages",
    "/cost-export?format=json",
]


@pytest.fixture
def bench(kafka: str, clickhouse: str, tmp_path: Path) -> Iterator[Bench]:
    with harness.bench(kafka, clickhouse, tmp_path) as made:
        yield made


@contextmanager
def _api(bench: Bench) -> Iterator[TestClient]:
    settings = ApiSettings(
        jwt_secret=SECRET,
        clickhouse_url=bench.url,
        kafka_url=f"kafka://{bench.broker}",
        user_requests_per_minute=0,
    )
    with TestClient(create_app(settings)) as client:
        yield client


def _headers(user_id: int, *roles: str) -> dict[str, str]:
    now = int(time.time())
    token = signed(claims(sub=str(user_id), roles=list(roles), iat=now, exp=now + 600))
    return {"Authorization": f"Bearer {token}"}


def _get(client: TestClient, path: str, user_id: int, *roles: str) -> str:
    answer = client.get(_BASE + path, headers=_headers(user_id, *roles))
    assert answer.status_code == 200, (path, answer.text)
    return str(answer.text)


def _event(sid: str, who: int | str, minutes_ago: float, **fields: Any) -> tuple[bytes, bytes]:
    content = {
        "event_id": f"E-{sid}-{minutes_ago}",
        "message_sid": sid,
        "user_id" if isinstance(who, int) else "phone_number": who,
        "occurred_at": (_NOW - timedelta(minutes=minutes_ago)).isoformat(),
        **fields,
    }
    return str(who).encode(), json.dumps(content).encode()


def _message(sid: str, who: int | str = _ERASED, minutes_ago: float = 120) -> tuple[bytes, bytes]:
    fields = {"direction": "outbound", "counterparty": _COUNTERPARTY, "body": "a secret"}
    return _event(sid, who, minutes_ago, **fields)


def _receipt(sid: str, who: int | str = _ERASED, status: str = "delivered") -> tuple[bytes, bytes]:
    return _event(sid, who, 119, type="status", status=status)


def _everything(bench: Bench) -> str:
    """All rows of all tables as text, of every part."""
    names = bench.rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase()"
        " AND engine NOT LIKE '%View'"
    )
    return "\n".join(repr(bench.rows(f"SELECT * FROM {name}")) for (name,) in names)


def _system(bench: Bench) -> dict[str, list[Any]]:
    return {
        table: sorted(bench.rows(f"SELECT * EXCEPT (version) FROM {table} FINAL"), key=repr)
        for table in SYSTEM_TABLES
    }


def _assert_hidden(client: TestClient, *sids: str) -> None:
    for path in _OF_USER:
        text = _get(client, f"/me{path}", _ERASED, "user")
        assert not any(sid in text for sid in sids), (path, text)
    usage = json.loads(_get(client, "/me/sms-analytics", _ERASED, "user"))
    assert usage["usage_summary"]["total_messages"] == 0
    for path in _OF_ADMIN:
        text = _get(client, f"/admin{path}", 1, "admin")
        assert not any(sid in text for sid in sids), (path, text)
        if not path.startswith(f"/users/{_ERASED}/"):
            assert str(_ERASED) not in text, (path, text)
    for sid in sids:
        path = f"{_BASE}/me/messages/{sid}"
        assert client.get(path, headers=_headers(_ERASED, "user")).status_code == 404


def test_nothing_of_an_erased_user_is_shown_or_left(bench: Bench) -> None:
    publish(bench.broker, USER_PHONES, {_NUMBER: b'{"user_id":%d}' % _ERASED})
    bench.start()
    bench.send(
        _message("SM-first"),
        _message("SM-second", _NUMBER),
        _receipt("SM-first"),
        _receipt("SM-orphan", _NUMBER),
        _message("SM-other", _OTHER),
        _message("SM-nobody", _UNMAPPED),
        _receipt("SM-orphan-of-nobody", _UNMAPPED),
        (_NUMBER.encode(), b'{"poison": true}'),
    )
    bench.finish()
    system = _system(bench)
    with _api(bench) as client:
        for path in _OF_USER:  # they have something to hide, and the cache something to keep
            assert "SM-first" in _get(client, f"/me{path}", _ERASED, "user") or "sid" not in path
        assert "SM-first" in _get(client, "/me/messages", _ERASED, "user")
        for path in _OF_ADMIN:
            _get(client, f"/admin{path}", 1, "admin")
        before = json.loads(_get(client, "/admin/sms-analytics/system", 1, "admin"))
        bench.kill()  # nobody carries it out: hidden all the same
        answer = client.delete(f"{_BASE}/me/data", headers=_headers(_ERASED, "user"))
        assert answer.status_code == 202, answer.text
        assert answer.json()["status"] == "accepted"
        _assert_hidden(client, "SM-first", "SM-second")
        bench.start()
        bench.send(_message("SM-first"), _receipt("SM-second", _NUMBER, "read"))
        bench.finish()

        def receipt() -> Any:
            path = f"/admin/users/{_ERASED}/erasures"
            return json.loads(_get(client, path, 1, "admin"))["erasures"][0]

        until(lambda: receipt()["status"] == "done", f"not done: {receipt()}")
        assert receipt()["removed"] == {"messages": 2, "receipts": 1, "totals": 2}
        assert receipt()["completed_at"] < receipt()["files_gone_by"]
        _assert_hidden(client, "SM-first", "SM-second", "SM-orphan")
        after = json.loads(_get(client, "/admin/sms-analytics/system", 1, "admin"))
        assert after["system_metrics"]["total_messages"] == 4
        assert before["system_metrics"]["total_messages"] == 4
        # The whole topic again, by a worker that begins at its first record.
        system = _system(bench)
        bench.terminate()
        bench.client.command("TRUNCATE TABLE source_progress")
        bench.group += "-again"
        bench.start()
        bench.finish()
        assert _system(bench) == system
        _assert_hidden(client, "SM-first", "SM-second", "SM-orphan")
        everything = _everything(bench)
        assert not any(sid in everything for sid in ("SM-first", "SM-second", "SM-orphan'"))
        # What comes later is the user's again.
        bench.send(_message("SM-later"))
        bench.finish()
        time.sleep(0.5)
        assert "SM-later" in _get(client, "/me/messages", _ERASED, "user")
        answers = [_get(client, f"/me{path}", _ERASED, "user") for path in _OF_USER]
        answers += [_get(client, f"/admin{path}", 1, "admin") for path in _OF_ADMIN]
    found = list(reconcile.differences(bench.client, int(time.time())))
    assert not found, found
    for number in (_NUMBER, _COUNTERPARTY, _UNMAPPED):
        digits = number.removeprefix("+")
        assert digits not in everything
        assert digits not in _everything(bench)
        assert digits not in bench.output
        assert not any(digits in text for text in answers)
    assert "a secret" not in everything


def test_without_consent_only_the_system_counts(bench: Bench) -> None:
    publish(bench.broker, USER_PHONES, {_NUMBER: b'{"user_id":%d}' % _ERASED})
    bench.start()
    bench.send(_message("SM-1"))
    bench.finish()
    with _api(bench) as client:
        headers = _headers(_ERASED, "user")

        def decide(analytics: bool) -> None:
            body = {"analytics": analytics}
            answer = client.put(f"{_BASE}/me/consent", json=body, headers=headers)
            assert answer.status_code == 200
            time.sleep(1)  # the worker follows the topic

        def counts() -> tuple[int, int]:
            mine = json.loads(_get(client, "/me/sms-analytics", _ERASED, "user"))
            all_ = json.loads(_get(client, "/admin/sms-analytics/system", 1, "admin"))
            return mine["usage_summary"]["total_messages"], all_["system_metrics"]["total_messages"]

        until(lambda: counts() == (1, 1), f"not (1, 1) but {counts()}")
        decide(False)
        bench.send(_message("SM-2"), _message("SM-3", _NUMBER), _message("SM-4", _OTHER))
        bench.finish()
        until(lambda: counts() == (1, 4), f"not (1, 4) but {counts()}")
        rows = bench.rows(
            "SELECT user_id, toString(user_decision), phone_hash, counterparty_hash FROM usage_log"
            " FINAL WHERE message_sid IN ('SM-2', 'SM-3')"
        )
        assert rows == [(0, "consent_withdrawn", 0, 0)] * 2
        decide(True)
        bench.send(_message("SM-5"))
        bench.finish()
        until(lambda: counts() == (2, 5), f"not (2, 5) but {counts()}")
