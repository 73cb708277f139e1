"""ClickHouse away, slow, overloaded or not migrated: 503 that says so, and back by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from clickhouse_connect.driver.client import Client
from fastapi.testclient import TestClient

from query_api import stamps
from query_api.app import create_app
from query_api.clickhouse import ClickHousePool
from query_api.errors import UnavailableError
from query_api.metrics import Metrics
from query_api.settings import ApiSettings
from tests.query_api.conftest import Bearer
from tests.query_api.credentials import SECRET
from tests.query_api.link import Link

pytestmark = pytest.mark.live

_PATH = "/api/v1/analytics/me/sms-analytics"
_LOG = "/api/v1/analytics/me/messages"
_CONSENT = "/api/v1/analytics/me/consent"


@pytest.fixture
def link(clickhouse_database: str) -> Iterator[Link]:
    link = Link(clickhouse_database)
    yield link
    link.cut()


def _settings(url: str, **changes: float) -> ApiSettings:
    return ApiSettings(jwt_secret=SECRET, clickhouse_url=url, connect_timeout_s=1, **changes)


def _client(settings: ApiSettings) -> TestClient:
    return TestClient(create_app(settings), raise_server_exceptions=False)


def test_clickhouse_goes_away_and_comes_back(link: Link, bearer: Bearer) -> None:
    with _client(_settings(link.url)) as client:
        assert client.get(_PATH, headers=bearer()).status_code == 200
        link.cut()
        time.sleep(stamps.KEPT_S)  # So long a reading holds, and the answer with it.
        answer = client.get(_PATH, headers=bearer())
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["detail"] == "The database cannot be reached."
        assert "refused" in client.get("/readyz").json()["detail"]
        link.mend()
        assert client.get(_PATH, headers=bearer()).status_code == 200
        assert 'reason="unreachable"' in client.get("/metrics").text


def test_a_server_that_does_not_answer_is_given_up(link: Link, bearer: Bearer) -> None:
    with _client(_settings(link.url, query_max_seconds=3)) as client:
        assert client.get(_PATH, headers=bearer()).status_code == 200
        link.stall()
        time.sleep(stamps.KEPT_S)
        began = time.monotonic()
        assert client.get(_PATH, headers=bearer()).status_code == 503
        assert time.monotonic() - began < 8


def test_who_waits_too_long_for_his_turn_is_told_so(link: Link, bearer: Bearer) -> None:
    link.stall()
    settings = _settings(link.url, query_max_seconds=1, pool_size=1, pool_wait_s=0.2)
    with _client(settings) as client, ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(client.get, _CONSENT, headers=bearer()) for _ in range(2)]
        answers = [future.result() for future in asked]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert {answer.json()["detail"] for answer in answers} == {
        "Too many questions are being answered at the moment.",
        "The database cannot be reached.",
    }


def test_readyz_does_not_wait_for_ever(link: Link) -> None:
    with _client(_settings(link.url)) as client:
        client.get("/readyz")
        link.stall()
        time.sleep(1.1)
        began = time.monotonic()
        checks = {check["name"]: check for check in client.get("/readyz").json()["checks"]}
        assert time.monotonic() - began < 5
        assert checks["clickhouse"]["detail"] == "no answer within 3 s"
        link.cut()


def test_a_question_above_a_limit_is_503(
    clickhouse_database: str, clickhouse_client: Client, bearer: Bearer
) -> None:
    clickhouse_client.command(
        "INSERT INTO user_usage_15m (user_id, bucket, source) "
        "SELECT 42, toStartOfInterval(now(), INTERVAL 15 MINUTE), number FROM numbers(5000)"
    )
    with _client(_settings(clickhouse_database, query_max_rows=4000)) as client:
        answer = client.get(_PATH, headers=bearer())
    assert answer.status_code == 503
    assert "ask for a shorter range" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("changes", "sql", "code"),
    [
        ({"query_max_seconds": 1}, "SELECT sum(sipHash64(number)) FROM numbers(10000000000)", 159),
        (
            {"query_max_memory_bytes": 10_000_000},
            "SELECT groupArray(number) FROM numbers(1e7)",
            241,
        ),
        ({"query_max_rows": 1000}, "SELECT count() FROM numbers(2000) WHERE number % 2", 158),
    ],
)
def test_each_limit_of_a_query_is_its_own(
    changes: dict[str, float], sql: str, code: int, clickhouse: str
) -> None:
    metrics = Metrics()

    async def story() -> UnavailableError:
        limits = {"query_max_seconds": 30, "query_max_rows": 10**15} | changes
        pool = ClickHousePool(_settings(clickhouse, **limits), metrics)
        with pytest.raises(UnavailableError) as caught:
            await pool.ask("large", sql, {})
        pool.close()
        return caught.value

    error = asyncio.run(story())
    assert (error.status, error.reason) == (503, "limit")
    assert "more time or memory than one answer may" in error.detail
    assert f"Code: {code}." in error.cause
    labels = {"question": "large", "reason": "limit"}
    assert metrics.registry.get_sample_value("sms_api_query_failures_total", labels) == 1


def test_a_database_without_tables_is_503(clickhouse: str, bearer: Bearer) -> None:
    with _client(_settings(clickhouse)) as client:
        answer = client.get(_PATH, headers=bearer())
        assert answer.status_code == 503
        assert "migrations" in answer.json()["detail"]
        checks = {check["name"]: check for check in client.get("/readyz").json()["checks"]}
        assert checks["clickhouse"]["status"] == "ok"
        assert "sms-analytics migrate" in checks["migrations"]["detail"]


def test_a_wrong_password_is_503_and_readyz_says_so(clickhouse_database: str) -> None:
    url = clickhouse_database.replace("@", "wrong@", 1)
    assert url != clickhouse_database
    with _client(_settings(url)) as client:
        checks = {check["name"]: check for check in client.get("/readyz").json()["checks"]}
        assert checks["clickhouse"]["status"] == "failed"
        assert "wrong" not in str(checks)
