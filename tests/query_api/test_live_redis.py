"""Limits and kept answers shared by Redis: exact while it is there, and no need for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from redis import Redis

from query_api import redis_link
from query_api.app import create_app
from query_api.cache import Kept
from query_api.limits import Limiter
from query_api.metrics import Metrics
from query_api.redis_link import PAUSE_S, TIMEOUT_S, RedisLink
from query_api.settings import ApiSettings
from query_api.shared_answers import RedisAnswers
from tests.query_api.conftest import NOBODY, Bearer
from tests.query_api.credentials import SECRET
from tests.query_api.redis_server import RedisServer

pytestmark = pytest.mark.live

_ME = "/api/v1/analytics/me/sms-analytics"
_KEY = (b"/me", b"time_range=7d", 42, 1_900_000, (("7", 1),))
_KEPT = Kept.of_body(b'{"number":1')


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts are exact while Redis answers in time, which a busy machine must not prevent."""
    monkeypatch.setattr(redis_link, "TIMEOUT_S", 10.0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def redis(server: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(server.url) as redis:
        redis.flushall()
        yield redis


@pytest.fixture
def start(server: RedisServer, redis: Redis) -> Iterator[Callable[..., TestClient]]:
    """Starts API processes, as it were, that share one Redis; their ClickHouse is not there."""
    clients: list[TestClient] = []

    def start(**changes: Any) -> TestClient:
        settings = ApiSettings(
            jwt_secret=SECRET,
            clickhouse_url=NOBODY,
            connect_timeout_s=1,
            redis_url=server.url,
            **changes,
        )
        client = TestClient(create_app(settings), raise_server_exceptions=False)
        client.__enter__()
        clients.append(client)
        return client

    yield start
    for client in clients:
        client.__exit__(None, None, None)


def _redis(client: TestClient) -> dict[str, str]:
    checks: list[dict[str, str]] = client.get("/readyz").json()["checks"]
    (check,) = [check for check in checks if check["name"] == "redis"]
    return check


def test_processes_count_together(start: Callable[..., TestClient], bearer: Bearer) -> None:
    first, second = (start(user_requests_per_minute=4) for _ in range(2))
    headers = bearer(user_id=42)
    remaining = [
        client.get(_ME, headers=headers).headers["ratelimit-remaining"]
        for client in (first, second, first, second)
    ]
    assert remaining == ["3", "2", "1", "0"]
    for client in (first, second):
        answer = client.get(_ME, headers=headers)
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 15
        assert client.get(_ME, headers=bearer(user_id=7)).status_code == 503


def test_addresses_are_counted_together(start: Callable[..., TestClient]) -> None:
    first, second = (start(address_failures_per_minute=3) for _ in range(2))
    statuses = [client.get(_ME).status_code for client in (first, second, first, second, first)]
    assert statuses == [401, 401, 401, 429, 429]


def test_a_bucket_fills_evenly_and_is_forgotten_when_full(
    server: RedisServer, redis: Redis
) -> None:
    async def story() -> list[bool]:
        link = RedisLink(server.url, Metrics())
        limiter: Limiter[int] = Limiter("user", 240, time.time, link)
        found = []
        for _ in range(241):
            taken = await limiter.take(1)
            assert taken is not None
            found.append(taken.is_allowed)
        await asyncio.sleep(0.3)
        taken = await limiter.take(1)
        assert taken is not None
        await link.close()
        return [*found[:240], taken.is_allowed]

    assert all(asyncio.run(story()))
    assert 0 < int(redis.ttl("sms:limit:user:1")) <= 61  # type: ignore[arg-type]


def test_no_token_is_used_twice_by_processes_that_ask_at_once(
    server: RedisServer, redis: Redis
) -> None:
    async def story() -> int:
        links = [RedisLink(server.url, Metrics()) for _ in range(2)]
        limiters: list[Limiter[int]] = [Limiter("user", 60, time.time, link) for link in links]
        taken = await asyncio.gather(*(limiters[n % 2].take(1) for n in range(200)))
        for link in links:
            await link.close()
        return sum(allowance is not None and allowance.is_allowed for allowance in taken)

    assert asyncio.run(story()) in (60, 61)


def test_without_redis_requests_are_counted_in_memory(
    start: Callable[..., TestClient], server: RedisServer, bearer: Bearer
) -> None:
    client = start(user_requests_per_minute=2)
    headers = bearer(user_id=42)
    assert client.get(_ME, headers=headers).headers["ratelimit-remaining"] == "1"
    assert _redis(client) == {"name": "redis", "status": "ok", "detail": "answers"}
    assert "sms_api_redis_up 1.0" in client.get("/metrics").text
    server.stop()
    try:
        statuses = [client.get(_ME, headers=headers).status_code for _ in range(3)]
        assert statuses == [503, 503, 429]
        time.sleep(1.1)
        check = _redis(client)
        assert check["status"] == "degraded"
        assert "this process's own" in check["detail"]
        text = client.get("/metrics").text
        assert "sms_api_redis_up 0.0" in text
        assert 'sms_api_redis_failures_total{use="limits"} 1.0' in text
    finally:
        server.start()
    time.sleep(PAUSE_S)
    assert client.get(_ME, headers=headers).headers["ratelimit-remaining"] == "1"
    time.sleep(1.1)
    assert _redis(client)["status"] == "ok"


def test_a_redis_that_hangs_holds_nobody_up(
    server: RedisServer, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_link, "TIMEOUT_S", TIMEOUT_S)

    async def story() -> tuple[float, float]:
        link = RedisLink(server.url, Metrics())
        limiter: Limiter[int] = Limiter("user", 1000, time.time, link)
        await limiter.take(1)
        server.freeze()
        try:
            began = time.monotonic()
            first = await limiter.take(1)
            waited = time.monotonic() - began
            began = time.monotonic()
            for _ in range(100):
                await limiter.take(1)
            others = time.monotonic() - began
        finally:
            server.thaw()
        assert first is not None
        assert first.is_allowed
        await link.close()
        return waited, others

    waited, others = asyncio.run(story())
    assert waited < TIMEOUT_S + 0.5
    assert others < 0.2


def _answers(link: RedisLink, secret: bytes = b"a" * 32, scope: str = "1.0 here") -> RedisAnswers:
    return RedisAnswers(link, secret, scope)


def test_answers_are_shared_and_sealed(server: RedisServer, redis: Redis) -> None:
    async def story() -> None:
        link = RedisLink(server.url, Metrics())
        await _answers(link).put(_KEY, _KEPT)
        assert await _answers(link).get(_KEY) == _KEPT
        for key in ((*_KEY[:2], 43, *_KEY[3:]), (*_KEY, 1)):
            assert await _answers(link).get(key) is None
        for other in (_answers(link, secret=b"b" * 32), _answers(link, scope="2.0 here")):
            assert await other.get(_KEY) is None
        (name,) = redis.keys("sms:answer:*")  # type: ignore[misc]
        assert 0 < int(redis.ttl(name)) <= 900  # type: ignore[arg-type]
        for forged in (b'{"number":2', b"x" * 16 + b'{"number":2', b""):
            redis.set(name, forged)
            assert await _answers(link).get(_KEY) is None
        await link.close()

    asyncio.run(story())


def test_no_answer_is_kept_without_redis() -> None:
    async def story() -> None:
        metrics = Metrics()
        link = RedisLink("redis://127.0.0.1:1/0", metrics)
        await _answers(link).put(_KEY, _KEPT)
        assert await _answers(link).get(_KEY) is None
        value = metrics.registry.get_sample_value("sms_api_redis_failures_total", {"use": "cache"})
        assert value == 1
        await link.close()

    asyncio.run(story())


@pytest.mark.parametrize("url", ["", "http://h", "redis://", "127.0.0.1:6379", "redis:///0"])
def test_what_is_no_redis_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"redis\(s\)://"):
        ApiSettings(jwt_secret=SECRET, redis_url=url)


def test_an_answer_is_computed_once_for_all_processes(
    clickhouse_database: str, server: RedisServer, redis: Redis, bearer: Bearer
) -> None:
    settings = ApiSettings(
        jwt_secret=SECRET, clickhouse_url=clickhouse_database, redis_url=server.url
    )
    # Not near the end of a quarter of an hour, when the next one's answer is computed, too.
    now = time.time() // 900 * 900 + 450
    bodies = []
    for misses in (1, 0):
        with TestClient(create_app(settings, lambda: now)) as client:
            answer = client.get(_ME, headers=bearer())
            bodies.append(answer.text)
            assert answer.status_code == 200
            text = client.get("/metrics").text
            assert ('result="miss"' in text) is bool(misses)
    assert bodies[0] == bodies[1]
    assert len(redis.keys("sms:answer:*")) == 1  # type: ignore[arg-type]
