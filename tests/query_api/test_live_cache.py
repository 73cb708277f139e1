"""Kept answers over a live database: the same as computed ones, and never a stale one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from fastapi.testclient import TestClient

from query_api.app import create_app
from query_api.settings import ApiSettings
from tests.query_api.cells import insert, some_cell
from tests.query_api.conftest import Bearer
from tests.query_api.credentials import SECRET

pytestmark = pytest.mark.live

_BASE = "/api/v1/analytics"
_PATHS = ("/me/sms-analytics", "/me/sms-costs", "/admin/users/42/sms-analytics")
_SYSTEM = "/admin/sms-analytics/system"
_SYSTEM_KEPT_S = 5
"""As long as the system's stamp may be kept on a slow machine."""


class Clock:
    """The present, as the test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 3, 12, 30, tzinfo=UTC).timestamp()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=[64, 0], ids=["with cache", "without"])
def client(
    request: pytest.FixtureRequest, clickhouse_database: str, lasting_client: Client, clock: Clock
) -> Iterator[TestClient]:
    settings = ApiSettings(
        jwt_secret=SECRET, clickhouse_url=clickhouse_database, cache_mb=request.param
    )
    with TestClient(create_app(settings, clock), raise_server_exceptions=False) as client:
        yield client


def _message(
    database: Client, offset: int, second: int, user_id: int = 42, day: str = "2026-11-03"
) -> None:
    """One more message of a user: his cell and the system's, then the progress."""
    noon = int(datetime.fromisoformat(f"{day}T12:00:00Z").timestamp())
    insert(database, [some_cell(user_id, noon, offset)], version=offset)
    progress = "source, next_offset, end_offset, as_of, partitions"
    database.command(
        f"INSERT INTO source_progress ({progress}) VALUES "
        f"(0, {offset}, {offset}, '2026-11-03 12:30:{second:02d}', 1)"
    )


def _total(body: dict[str, Any]) -> int:
    found = body.get("usage_summary") or body.get("system_metrics") or {}
    return int(found.get("total_messages", -1))


def test_a_change_is_seen_at_once(
    client: TestClient, lasting_client: Client, bearer: Bearer, clock: Clock
) -> None:
    headers = bearer(user_id=42, roles=("user", "admin"))
    for number in range(1, 4):
        _message(lasting_client, number, number)
        clock.now += _SYSTEM_KEPT_S
        for _ in range(2):
            for path in ("/me/sms-analytics", "/admin/users/42/sms-analytics", _SYSTEM):
                answer = client.get(_BASE + path, headers=headers).json()
                assert _total(answer) == number, path
                assert answer["data_as_of"] == f"2026-11-03T12:30:0{number}Z"


def test_a_late_message_is_seen_at_once(
    client: TestClient, lasting_client: Client, bearer: Bearer, clock: Clock
) -> None:
    _message(lasting_client, 1, 1, day="2026-10-10")
    headers = bearer(user_id=42, roles=("user", "admin"))
    for number in range(2, 5):
        for path in _PATHS[::2]:
            answer = client.get(_BASE + path, headers=headers).json()
            assert _total(answer) == number - 1
            assert sum(p["messages"] for p in answer["usage_trends"]["points"]) == number - 1
            by_country = answer["message_breakdown"]["by_country"]
            assert [cut["messages"] for cut in by_country] == [number - 1]
        # The same cell, 24 days ago.
        _message(lasting_client, number, number, day="2026-10-10")
        clock.now += 1


def test_times_are_those_of_the_request(
    client: TestClient, lasting_client: Client, bearer: Bearer, clock: Clock
) -> None:
    _message(lasting_client, 1, 1)
    first = client.get(f"{_BASE}/me/sms-analytics", headers=bearer()).json()
    clock.now += 30
    _message(lasting_client, 2, 31, user_id=7)
    second = client.get(f"{_BASE}/me/sms-analytics", headers=bearer()).json()
    assert first["generated_at"] == "2026-11-03T12:30:00Z"
    assert second["generated_at"] == "2026-11-03T12:30:30Z"
    assert second["data_as_of"] == "2026-11-03T12:30:31Z"
    times = ("generated_at", "data_as_of")
    assert {k: v for k, v in first.items() if k not in times} == {
        k: v for k, v in second.items() if k not in times
    }
    assert list(second)[-2:] == list(times)


def test_not_modified(
    client: TestClient, lasting_client: Client, bearer: Bearer, clock: Clock
) -> None:
    _message(lasting_client, 1, 1)
    headers = bearer(user_id=42, roles=("user", "admin"))
    for path in (*_PATHS, _SYSTEM):
        first = client.get(_BASE + path, headers=headers)
        assert first.headers["cache-control"] == "private, no-cache"
        known = headers | {"If-None-Match": f'"other", {first.headers["etag"]}'}
        again = client.get(_BASE + path, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    _message(lasting_client, 2, 2)
    clock.now += _SYSTEM_KEPT_S
    changed = client.get(_BASE + _SYSTEM, headers=known)
    assert changed.status_code == 200
    assert _total(changed.json()) == 2


def test_nobody_gets_anothers_answer(
    client: TestClient, lasting_client: Client, bearer: Bearer
) -> None:
    _message(lasting_client, 5, 1, user_id=42)
    for _ in range(2):
        for user_id, messages in ((42, 5), (7, 0)):
            answer = client.get(f"{_BASE}/me/sms-analytics", headers=bearer(user_id=user_id))
            assert answer.json()["user_id"] == user_id
            assert _total(answer.json()) == messages


def test_the_hit_ratio_is_in_the_metrics(
    client: TestClient, lasting_client: Client, bearer: Bearer
) -> None:
    _message(lasting_client, 1, 1)
    for _ in range(4):
        client.get(f"{_BASE}/me/sms-analytics", headers=bearer())
    text = client.get("/metrics").text
    has_cache = 'sms_api_cache_requests_total{result="hit"} 3.0' in text
    assert f"sms_api_cache_hit_ratio {0.75 if has_cache else 0.0}" in text
