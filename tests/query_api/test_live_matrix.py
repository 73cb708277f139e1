"""Two users, an admin and nobody at every route: who gets what, and what the audit log says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from fastapi.testclient import TestClient

from deploy.topics import create_missing_topics
from query_api.app import create_app
from query_api.settings import ApiSettings
from schemas.topics import topics
from tests.query_api.conftest import Bearer
from tests.query_api.credentials import SECRET
from tests.query_api.matrix import BASE, MATRIX, ask

pytestmark = pytest.mark.live

_FIRST, _SECOND, _ADMIN, _NOBODY = 4201, 4302, 9, 0
_MESSAGES = {_FIRST: 5, _SECOND: 3}
_ROLES = {_FIRST: ("user",), _SECOND: ("user",), _ADMIN: ("admin",)}


@pytest.fixture
def client(clickhouse_client: Client, clickhouse_database: str, kafka: str) -> Iterator[TestClient]:
    create_missing_topics(kafka, topics())
    for user_id, messages in _MESSAGES.items():
        _fill(clickhouse_client, user_id, messages)
    settings = ApiSettings(
        jwt_secret=SECRET,
        clickhouse_url=clickhouse_database,
        kafka_url=f"kafka://{kafka}",
        user_requests_per_minute=0,
        address_failures_per_minute=0,
    )
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def _fill(database: Client, user_id: int, messages: int) -> None:
    when = "now() - INTERVAL 2 HOUR"
    names = "direction, message_type, country_code, messages, segments, version"
    cell = f"'outbound', 'sms', 'US', {messages}, {messages}, 1"
    for width, unit in (("15m", "15 MINUTE"), ("1d", "1 DAY")):
        start = f"toStartOfInterval({when}, INTERVAL {unit})"
        table = f"user_usage_{width} (user_id, bucket, {names})"
        database.command(f"INSERT INTO {table} VALUES ({user_id}, {start}, {cell})")
    database.command(
        "INSERT INTO usage_log (user_id, occurred_at, message_sid, direction, message_type, status,"
        f" cost_source) SELECT {user_id}, {when}, concat('SM-{user_id}-', toString(number)),"
        f" 'outbound', 'sms', 'sent', 'rate_card' FROM numbers({messages})"
    )


def _expected(route: str, asker: int) -> int:
    if asker == _NOBODY:
        return 401
    entry = MATRIX[route]
    if not entry.roles & set(_ROLES[asker]):
        return 403
    if "{message_sid" in route and asker != _FIRST:
        return 404
    return entry.status


def _audited(route: str, asker: int, status: int) -> tuple[Any, ...] | None:
    """The entry that a request of the matrix leaves: who, what, whose, decision, status."""
    entry = MATRIX[route]
    is_refused = status in (401, 403)
    if not (is_refused or entry.is_audited):
        return None
    method, _, path = route.partition(" ")
    whose = {"own": asker, "of the path": _FIRST, "everybody's": 0}[entry.whose]
    decision = "refused" if is_refused else "allowed"
    roles = list(_ROLES.get(asker, ()))
    return (asker, roles, method, BASE + path, whose, decision, status)


def test_the_matrix(client: TestClient, clickhouse_client: Client, bearer: Bearer) -> None:
    # Reads before changes, so that there is something to read.
    order = sorted(MATRIX, key=lambda route: ("GET", "PUT", "DELETE").index(route.split()[0]))
    # Twice, since what a route makes of a question is remembered.
    reads = [route for route in order if route.startswith("GET")]
    faults: list[str] = []
    expected: dict[str, tuple[Any, ...]] = {}
    for number, route in enumerate((*reads, *order)):
        for asker in (_NOBODY, _FIRST, _SECOND, _ADMIN):
            request_id = f"r{number}-{asker}"
            headers = {"X-Request-ID": request_id}
            if asker:
                headers |= bearer(user_id=asker, roles=_ROLES[asker])
            answer = ask(client, route, headers, _FIRST, f"SM-{_FIRST}-0")
            status = _expected(route, asker)
            if answer.status_code != status:
                faults.append(f"{route} by {asker}: {answer.status_code}, not {status}")
            for other in {_FIRST, _SECOND} - {asker}:
                is_shown = str(other) in answer.text.replace(answer.request.url.path, "")
                if is_shown and (MATRIX[route].whose == "own" or asker != _ADMIN):
                    faults.append(f"{route} shows {asker} something of {other}")
            if entry := _audited(route, asker, status):
                expected[request_id] = entry
    assert faults == []
    assert _log(clickhouse_client, len(expected)) == expected


def _log(database: Client, rows: int) -> dict[str, tuple[Any, ...]]:
    """The audit log by request, once it has so many rows."""
    sql = (
        "SELECT request_id, actor_id, roles, method, route, subject_id, toString(decision), status"
        " FROM audit_log"
    )
    deadline = time.monotonic() + 5
    found: list[Any] = []
    while len(found) < rows and time.monotonic() < deadline:
        time.sleep(0.2)
        found = list(database.query(sql).result_rows)
    return {row[0]: tuple(row[1:]) for row in found}


def test_each_user_sees_his_own_numbers(client: TestClient, bearer: Bearer) -> None:
    for user_id, messages in _MESSAGES.items():
        headers = bearer(user_id=user_id)
        totals = client.get(f"{BASE}/me/sms-analytics", headers=headers).json()
        assert totals["usage_summary"]["total_messages"] == messages
        page = client.get(f"{BASE}/me/messages", headers=headers).json()
        sids = {message["message_sid"] for message in page["messages"]}
        assert sids == {f"SM-{user_id}-{number}" for number in range(messages)}
