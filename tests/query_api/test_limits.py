"""Rate limits: exact counts, filling evenly, apart for users and addresses; and CORS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from query_api.app import create_app
from query_api.limits import MAX_BUCKETS, Buckets
from query_api.settings import ApiSettings
from tests.query_api.conftest import NOBODY, Bearer
from tests.query_api.credentials import SECRET

_ME = "/api/v1/analytics/me/sms-analytics"
_BAD = {"time_range": "never"}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _allowed(buckets: Buckets[int], times: int) -> int:
    taken = [buckets.take(1) for _ in range(times)]
    return sum(allowance is not None and allowance.is_allowed for allowance in taken)


def test_a_bucket_holds_a_minutes_worth_and_fills_evenly(clock: Clock) -> None:
    buckets: Buckets[int] = Buckets(60, clock)
    assert _allowed(buckets, 100) == 60
    clock.now += 2.5
    assert _allowed(buckets, 10) == 2
    clock.now += 0.5
    assert _allowed(buckets, 10) == 1
    clock.now += 3600
    assert _allowed(buckets, 100) == 60


def test_what_is_left_is_told(clock: Clock) -> None:
    buckets: Buckets[int] = Buckets(6, clock)
    for remaining in (5, 4, 3, 2, 1, 0):
        allowance = buckets.take(1)
        assert allowance is not None
        assert allowance.is_allowed
        assert allowance.headers == {
            b"ratelimit-limit": b"6",
            b"ratelimit-remaining": b"%d" % remaining,
            b"ratelimit-reset": b"%d" % ((6 - remaining) * 10),
        }
    clock.now += 4
    refused = buckets.take(1)
    assert refused is not None
    assert (refused.is_allowed, refused.wait_s) == (False, 6)


def test_a_clock_that_goes_back_gives_nothing(clock: Clock) -> None:
    buckets: Buckets[int] = Buckets(5, clock)
    assert _allowed(buckets, 9) == 5
    clock.now -= 1000
    assert _allowed(buckets, 9) == 0


def test_memory_is_bounded(clock: Clock) -> None:
    buckets: Buckets[int] = Buckets(5, clock)
    for user in range(MAX_BUCKETS + 50):
        buckets.take(user)
    assert len(buckets._levels) == MAX_BUCKETS


def test_no_limit(clock: Clock) -> None:
    assert Buckets[int](0, clock).take(1) is None


def _client(clock: Clock, **changes: Any) -> TestClient:
    settings = ApiSettings(
        jwt_secret=SECRET, clickhouse_url=NOBODY, connect_timeout_s=1, jwt_leeway_s=300, **changes
    )
    return TestClient(create_app(settings, clock), raise_server_exceptions=False)


@pytest.fixture
def client(clock: Clock) -> Iterator[TestClient]:
    with _client(clock, user_requests_per_minute=3, address_failures_per_minute=5) as client:
        yield client


def test_each_user_has_his_own_limit(client: TestClient, bearer: Bearer, clock: Clock) -> None:
    for _ in range(3):
        assert client.get(_ME, headers=bearer(user_id=1)).status_code == 503
    answer = client.get(_ME, headers=bearer(user_id=1))
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "20"
    assert answer.headers["ratelimit-remaining"] == "0"
    assert answer.json()["detail"] == "At most 3 requests a minute; ask again in 20 s."
    other = client.get(_ME, headers=bearer(user_id=2))
    assert (other.status_code, other.headers["ratelimit-remaining"]) == (503, "2")
    clock.now += 20
    assert client.get(_ME, headers=bearer(user_id=1)).status_code == 503


def test_an_address_that_guesses_is_slowed_down(client: TestClient, clock: Clock) -> None:
    guess = {"Authorization": "Bearer x.y.z"}
    for headers in (guess, {}, guess, {}, guess):
        assert client.get(_ME, headers=headers).status_code == 401
    answer = client.get(_ME, headers=guess)
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) == 12
    assert client.get("/nothing").status_code == 429
    assert client.get("/healthz").status_code == 200


def test_good_requests_from_the_same_address_go_on(client: TestClient, bearer: Bearer) -> None:
    for _ in range(9):
        client.get("/nothing")
    assert client.get(_ME, headers=bearer()).status_code == 503
    assert client.get(_ME, params=_BAD, headers=bearer()).status_code == 429


_ORIGIN = "https://dashboard.example"


def test_origins_of_the_list_may_ask(clock: Clock, bearer: Bearer) -> None:
    asked = {
        "Origin": _ORIGIN,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    with _client(clock, cors_origins=[_ORIGIN]) as client:
        preflight = client.options(_ME, headers=asked)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == _ORIGIN
        assert "access-control-allow-credentials" not in preflight.headers
        answer = client.get(_ME, headers=bearer() | {"Origin": _ORIGIN})
        assert answer.headers["access-control-allow-origin"] == _ORIGIN
        assert "RateLimit-Remaining" in answer.headers["access-control-expose-headers"]
        other = asked | {"Origin": "https://elsewhere.example"}
        refused = client.options(_ME, headers=other)
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers


def test_without_a_list_no_origin_may_ask(clock: Clock, bearer: Bearer) -> None:
    with _client(clock) as client:
        answer = client.get(_ME, headers=bearer() | {"Origin": _ORIGIN})
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["*", "dashboard.example", "https://a.example/", "null", "https://*.example"]
)
def test_what_is_no_origin(origin: str) -> None:
    with pytest.raises(ValueError, match="scheme://host"):
        ApiSettings(jwt_secret=SECRET, cors_origins=[origin])
