"""Deny by default: who may call which route, and that no route is left open."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.testclient import TestClient
from httpx import Response

from query_api.access import PUBLIC_PATHS, forbid_open_routes
from query_api.app import create_app
from query_api.settings import ApiSettings
from tests.query_api.conftest import Bearer

_BASE = "/api/v1/analytics"
_ANYBODY, _ADMIN = {"user", "admin"}, {"admin"}
# Every route that is not public: who is let through. A new route has to be entered here.
MATRIX = {
    "GET /me/sms-analytics": _ANYBODY,
    "GET /me/sms-costs": _ANYBODY,
    "GET /me/messages": _ANYBODY,
    "GET /me/messages/{message_sid:path}": _ANYBODY,
    "GET /me/sms-usage-report": _ANYBODY,
    "GET /admin/sms-analytics/system": _ADMIN,
    "GET /admin/sms-usage-report": _ADMIN,
    "GET /admin/sms-performance": _ADMIN,
    "GET /admin/audit": _ADMIN,
    "GET /me/consent": _ANYBODY,
    "PUT /me/consent": _ANYBODY,
    "GET /me/data-export": _ANYBODY,
    "DELETE /me/data": _ANYBODY,
    "DELETE /admin/users/{user_id}/data": _ADMIN,
    "GET /admin/users": _ADMIN,
    "GET /admin/cost-export": _ADMIN,
    "GET /admin/users/{user_id}/sms-analytics": _ADMIN,
    "GET /admin/users/{user_id}/sms-costs": _ADMIN,
}
_LET_THROUGH = 503
"""ClickHouse is not there: whoever gets as far as a question gets this."""


def _routes(app: FastAPI) -> set[str]:
    return {
        f"{method} {route.path}".replace(_BASE, "")
        for route in iter_route_contexts(app.routes)
        for method in (route.methods or {"GET"}) - {"HEAD"}
    }


def _ask(client: TestClient, route: str, headers: dict[str, str] | None = None) -> Response:
    method, _, path = route.partition(" ")
    path = path.replace("{user_id}", "7").replace("{message_sid:path}", "SM1")
    body = {"analytics": True} if method == "PUT" else None
    return client.request(method, _BASE + path, headers=headers, json=body)


def test_every_route_is_public_or_in_the_matrix(settings: ApiSettings) -> None:
    public = {f"GET {path}" for path in PUBLIC_PATHS}
    assert _routes(create_app(settings)) == public | MATRIX.keys()


@pytest.mark.parametrize("roles", [(), ("user",), ("admin",), ("user", "admin"), ("billing",)])
@pytest.mark.parametrize("route", MATRIX)
def test_the_role_matrix(
    route: str, roles: tuple[str, ...], client: TestClient, bearer: Bearer
) -> None:
    answer = _ask(client, route, bearer(roles=roles))
    assert answer.status_code == (_LET_THROUGH if MATRIX[route] & set(roles) else 403)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("route", MATRIX)
def test_nobody_without_a_token(route: str, client: TestClient) -> None:
    assert _ask(client, route).status_code == 401


@pytest.mark.parametrize("path", sorted(PUBLIC_PATHS - {"/readyz"}))
def test_public_routes_answer_anybody(path: str, client: TestClient) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b'{"analytics": 1}', b"[" * 50_000])
def test_the_token_is_checked_before_the_body(
    body: bytes, client: TestClient, bearer: Bearer
) -> None:
    path, json_type = f"{_BASE}/me/consent", {"Content-Type": "application/json"}
    assert client.put(path, content=body).status_code == 401
    answer = client.put(path, content=body, headers=json_type)
    assert answer.status_code == 401
    answer = client.put(path, content=body, headers=bearer() | json_type)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "", "multipart/form-data"])
def test_a_body_of_another_kind_is_415(kind: str, client: TestClient, bearer: Bearer) -> None:
    answer = client.put(
        f"{_BASE}/me/consent",
        content=b'{"analytics": true}',
        headers=bearer() | {"Content-Type": kind},
    )
    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "The body must be application/json."


@pytest.mark.parametrize("value", ["1", "0", '"true"', "null", "[]", "{}"])
def test_a_decision_is_true_or_false(value: str, client: TestClient, bearer: Bearer) -> None:
    answer = client.put(
        f"{_BASE}/me/consent",
        content=f'{{"analytics": {value}}}',
        headers=bearer() | {"Content-Type": "application/json; charset=utf-8"},
    )
    assert answer.status_code == 422
    assert [fault["parameter"] for fault in answer.json()["errors"]] == ["analytics"]


def test_roles_are_checked_before_parameters(client: TestClient, bearer: Bearer) -> None:
    path = f"{_BASE}/admin/sms-analytics/system?time_range=never"
    assert client.get(path, headers=bearer()).status_code == 403


@pytest.mark.parametrize("parameter", ["user_id", "sub", "user"])
def test_me_takes_no_user_id_from_a_parameter(
    parameter: str, client: TestClient, bearer: Bearer
) -> None:
    answer = client.get(f"{_BASE}/me/sms-analytics", params={parameter: 7}, headers=bearer())
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"parameter": parameter, "detail": "This parameter is not known."}
    ]


def test_an_open_route_stops_the_process_at_its_start(settings: ApiSettings) -> None:
    app = create_app(settings)
    router = APIRouter()
    router.add_api_route("/api/v1/analytics/open", lambda: None)
    app.include_router(router, prefix="/x")
    with pytest.raises(RuntimeError, match="routes without a role: /x/api/v1/analytics/open"):
        forbid_open_routes(app)


def test_a_route_with_another_dependency_is_still_open(settings: ApiSettings) -> None:
    app = create_app(settings)

    async def route(body: str) -> None:
        """Has a parameter, but no role."""

    app.router.routes.append(APIRoute("/open", route))
    with pytest.raises(RuntimeError, match="/open"):
        forbid_open_routes(app)
