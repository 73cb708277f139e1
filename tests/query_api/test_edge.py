"""The outermost layer: request ids, limits, headers, log lines, metrics, unexpected errors."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Annotated

import pytest
from fastapi import Body
from fastapi.testclient import TestClient

from query_api import questions
from query_api.app import create_app
from query_api.edge import MAX_BODY_BYTES, MAX_URI_BYTES
from query_api.logs import JsonFormatter
from query_api.settings import ApiSettings
from tests.query_api.conftest import Bearer

_PATH = "/api/v1/analytics/me/sms-analytics"
_PROBLEM_KEYS = {"type", "title", "status", "detail", "instance", "request_id", "errors"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/api/v1/analytics/me", 404),
        ("GET", "/healthz/", 404),
        ("POST", "/healthz", 405),
        ("DELETE", _PATH, 405),
        ("OPTIONS", _PATH, 405),
        ("BREW", "/healthz", 405),
        ("GET", _PATH, 401),
        ("GET", "/readyz", 503),
        ("GET", "/healthz?" + "x" * MAX_URI_BYTES, 414),
    ],
)
def test_every_error_is_a_problem_document(
    method: str, path: str, status: int, client: TestClient
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() >= _PROBLEM_KEYS
    assert problem["status"] == status
    assert problem["instance"] == path.partition("?")[0]
    assert problem["request_id"] == answer.headers["x-request-id"]


def test_405_names_what_is_allowed(client: TestClient) -> None:
    assert client.post("/healthz").headers["allow"] == "GET"
    # Two routes at one path.
    assert client.post("/api/v1/analytics/me/consent").headers["allow"] == "GET, PUT"


@pytest.mark.parametrize("excess", [0, 1])
def test_a_long_body_is_413(excess: int, client: TestClient) -> None:
    answer = client.request("GET", "/healthz", content=b"x" * (MAX_BODY_BYTES + excess))
    assert answer.status_code == (413 if excess else 200)
    if excess:
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("excess", [0, 1])
def test_a_long_chunked_body_is_413_where_it_is_read(excess: int, settings: ApiSettings) -> None:
    app = create_app(settings)

    @app.post("/echo")
    async def echo(body: Annotated[str, Body()]) -> int:
        return len(body)

    def chunks() -> Iterator[bytes]:
        yield b'"'
        yield b"x" * (MAX_BODY_BYTES - 2 + excess)
        yield b'"'

    with TestClient(app) as client:
        headers = {"Content-Type": "application/json"}
        answer = client.post("/echo", content=chunks(), headers=headers)
    assert answer.status_code == (413 if excess else 200)
    if excess:
        assert answer.headers["content-type"] == "application/problem+json"


def test_an_unexpected_error_shows_nothing(
    client: TestClient,
    bearer: Bearer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(_: object) -> questions.Rows:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(questions, "source_progress", broken)
    answer = client.get(_PATH, headers=bearer())
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.__dict__["request_id"] == answer.json()["request_id"]
    assert record.exc_info is not None


@pytest.mark.parametrize("given", ["abc-123", "A.b_9", "x" * 64])
def test_a_harmless_request_id_is_kept(given: str, client: TestClient) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", 'a"b', "a\tb", "é", "{}", "a\u2028b"])
def test_any_other_request_id_is_replaced(given: str, client: TestClient) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": given.encode()})
    assert len(answer.headers["x-request-id"]) == 32
    assert answer.headers["x-request-id"] != given


@pytest.mark.parametrize("path", ["/healthz", "/nothing", _PATH, "/docs", "/openapi.json"])
def test_security_headers_are_on_every_answer(path: str, client: TestClient) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]


def test_the_documentation_may_run_its_own_script_only(client: TestClient) -> None:
    policy = client.get("/docs").headers["content-security-policy"]
    assert "script-src https://cdn.jsdelivr.net 'sha256-" in policy
    assert "'unsafe-inline'" not in policy.partition("style-src")[0]


def test_the_access_log_has_no_token_no_query_and_no_path_values(
    client: TestClient, bearer: Bearer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "query_api.access")
    path = "/api/v1/analytics/admin/users/%2B15550100/sms-analytics?timezone=%2B15550101"
    client.get(path, headers=bearer(user_id=9, roles=("admin",)))
    (record,) = [record for record in caplog.records if record.name == "query_api.access"]
    line = JsonFormatter().format(record)
    entry = json.loads(line)
    assert entry["route"] == "/api/v1/analytics/admin/users/{user_id}/sms-analytics"
    assert (entry["status"], entry["method"], entry["user_id"]) == (422, "GET", 9)
    assert entry["request_id"]
    assert "5550" not in line
    assert "eyJ" not in line


def test_metrics_count_requests_by_route_template_and_status(client: TestClient) -> None:
    for path in ("/healthz", "/healthz", "/nothing/1", "/nothing/2"):
        client.get(path)
    text = client.get("/metrics").text
    assert 'sms_api_requests_total{method="GET",route="/healthz",status="200"} 2.0' in text
    assert 'sms_api_requests_total{method="GET",route="(none)",status="404"} 2.0' in text
    assert "/nothing" not in text


def test_an_invented_method_makes_no_new_series(client: TestClient) -> None:
    client.request("BREW", "/healthz")
    assert 'method="other"' in client.get("/metrics").text
