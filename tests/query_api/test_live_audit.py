"""The audit log over a live database: who, what, whose, decision, and never a phone number."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from fastapi.testclient import TestClient

from query_api.app import create_app
from query_api.settings import ApiSettings
from schemas.phones import phone_hash
from streams.numbers import NumberHash
from tests.query_api.conftest import Bearer
from tests.query_api.credentials import SECRET
from tests.query_api.link import Link

pytestmark = pytest.mark.live

_BASE = "/api/v1/analytics"
_NUMBER = "+491701234567"


@pytest.fixture
def client(clickhouse_database: str) -> Iterator[TestClient]:
    settings = ApiSettings(jwt_secret=SECRET, clickhouse_url=clickhouse_database)
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def _entries(client: TestClient, bearer: Bearer, **parameters: Any) -> list[dict[str, Any]]:
    """The log, without the reading of it, earliest first."""
    headers = bearer(user_id=1, roles=("admin",))
    answer = client.get(f"{_BASE}/admin/audit", params=parameters, headers=headers)
    assert answer.status_code == 200, answer.text
    entries: list[dict[str, Any]] = answer.json()["entries"]
    return [entry for entry in entries[::-1] if not entry["route"].endswith("/audit")]


def test_what_is_audited(client: TestClient, bearer: Bearer) -> None:
    admin, user = bearer(user_id=1, roles=("admin",)), bearer(user_id=42)
    for path, headers, status in (
        ("/admin/sms-analytics/system", admin, 200),
        ("/admin/users/7/sms-analytics", admin, 200),
        ("/admin/users/7/sms-costs", user, 403),
        ("/admin/users/7/sms-costs", {}, 401),
        ("/me/sms-usage-report", user, 200),
        ("/me/sms-analytics", user, 200),
        ("/admin/users/0/sms-costs", admin, 422),
    ):
        identified = headers | {"X-Request-ID": f"for-{status}"}
        assert client.get(_BASE + path, headers=identified).status_code == status
    time.sleep(0.5)
    found = [
        (e["actor_id"], e["route"].removeprefix(_BASE), e["subject_id"], e["decision"], e["status"])
        for e in _entries(client, bearer)
    ]
    assert sorted(found, key=str) == sorted(
        [
            (1, "/admin/sms-analytics/system", None, "allowed", 200),
            (1, "/admin/users/{user_id}/sms-analytics", 7, "allowed", 200),
            (42, "/admin/users/{user_id}/sms-costs", 7, "refused", 403),
            (None, "/admin/users/{user_id}/sms-costs", 7, "refused", 401),
            (42, "/me/sms-usage-report", 42, "allowed", 200),
            (1, "/admin/users/{user_id}/sms-costs", None, "allowed", 422),
        ],
        key=str,
    )
    (refused,) = _entries(client, bearer, actor_id=42, decision="refused")
    assert refused["request_id"] == "for-403"
    assert refused["roles"] == ["user"]
    assert [entry["actor_id"] for entry in _entries(client, bearer, subject_id=42)] == [42]
    assert len(_entries(client, bearer, actor_id=0)) == 1


def test_reading_the_log_is_audited_and_paged(client: TestClient, bearer: Bearer) -> None:
    headers = bearer(user_id=1, roles=("admin",))
    for _ in range(5):
        client.get(f"{_BASE}/admin/audit", headers=headers)
    ids, cursor = [], {}
    # Up to a moment, so that the pages themselves do not come into it.
    until = {"to": "2099-01-01T00:00:00Z", "limit": 2}
    for _ in range(2):
        page = client.get(f"{_BASE}/admin/audit", params=until | cursor, headers=headers).json()
        ids += [entry["entry_id"] for entry in page["entries"]]
        cursor = {"cursor": page["next_cursor"]}
    assert len(set(ids)) == 4


def test_no_answer_without_an_entry(clickhouse_database: str, bearer: Bearer) -> None:
    link = Link(clickhouse_database)
    settings = ApiSettings(jwt_secret=SECRET, clickhouse_url=link.url, connect_timeout_s=1)
    app = create_app(settings)
    with TestClient(app, raise_server_exceptions=False) as client:
        auditor = app.state.backend.auditor

        class Broken:
            async def write(self, table: str, lines: bytes) -> None:
                raise OSError("the disk is full")

        auditor._writer = Broken()
        headers = bearer(roles=("admin", "user"))
        answer = client.get(f"{_BASE}/admin/sms-analytics/system", headers=headers)
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert "audited" in answer.json()["detail"]
        assert client.get(f"{_BASE}/me/sms-analytics", headers=headers).status_code == 200
        assert client.get(f"{_BASE}/me/sms-usage-report", headers=headers).status_code == 503
    link.cut()


def test_users_and_their_numbers(
    client: TestClient, clickhouse_client: Client, bearer: Bearer
) -> None:
    key = "development-privacy-key"
    hashed = phone_hash(_NUMBER, key)
    assert hashed == NumberHash(key).of(_NUMBER)
    clickhouse_client.command(
        "INSERT INTO user_usage_1d (user_id, bucket, messages, version) SELECT number + 1, "
        "toStartOfDay(now('UTC')) - INTERVAL number DAY, 5, 1 FROM numbers(7)"
    )
    lines = [
        {"user_id": 3, "occurred_at": time.time(), "message_sid": "a", "phone_hash": hashed},
        {"user_id": 4, "occurred_at": time.time(), "message_sid": "b", "phone_hash": 9},
    ]
    text = "\n".join(json.dumps(line | {"cost_source": "rate_card"}) for line in lines)
    clickhouse_client.raw_insert("usage_log", insert_block=text, fmt="JSONEachRow")

    def ask(**parameters: Any) -> dict[str, Any]:
        headers = bearer(user_id=1, roles=("admin",))
        answer = client.get(f"{_BASE}/admin/users", params=parameters, headers=headers)
        assert answer.status_code == 200, answer.text
        assert _NUMBER not in answer.text
        body: dict[str, Any] = answer.json()
        return body

    assert [user["user_id"] for user in ask()["users"]] == [1, 2, 3, 4, 5, 6, 7]
    (found,) = ask(phone_number=_NUMBER)["users"]
    assert (found["user_id"], found["messages"]) == (3, 5)
    assert found["phone_hashes"] == [f"{hashed:016x}"]
    assert ask(phone_number="+15005550006")["users"] == []
    assert [user["user_id"] for user in ask(user_id=6)["users"]] == [6]
    first = ask(limit=4)
    second = ask(limit=4, cursor=first["next_cursor"])
    assert [user["user_id"] for user in second["users"]] == [5, 6, 7]
    assert second["next_cursor"] is None
    rows = clickhouse_client.query("SELECT * FROM audit_log").result_rows
    assert rows
    assert "49170" not in str(rows)
