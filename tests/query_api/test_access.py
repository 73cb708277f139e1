"""Deny by default: who may call which route, and that no route is left open."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from query_api.access import PUBLIC_PATHS, as_admin, forbid_open_routes
from query_api.app import create_app
from query_api.settings import ApiSettings
from tests.query_api.conftest import Bearer
from tests.query_api.matrix import BASE, MATRIX, ask, routes_of

_LET_THROUGH = 503
"""ClickHouse is not there: whoever gets as far as a question gets this."""


def test_every_route_is_public_or_in_the_matrix(settings: ApiSettings) -> None:
    public = {f"GET {path}" for path in PUBLIC_PATHS}
    assert routes_of(create_app(settings)) == public | MATRIX.keys()


def test_a_route_that_is_missing_from_the_matrix_is_seen(settings: ApiSettings) -> None:
    app = create_app(settings)
    before = routes_of(app)
    router = APIRouter(dependencies=[Depends(as_admin)])
    router.add_api_route(f"{BASE}/admin/new", lambda: None, methods=["POST"])
    app.include_router(router)
    assert routes_of(app) - before == {"POST /admin/new"}


@pytest.mark.parametrize("roles", [(), ("user",), ("admin",), ("user", "admin"), ("billing",)])
@pytest.mark.parametrize("route", MATRIX)
def test_the_role_matrix(
    route: str, roles: tuple[str, ...], client: TestClient, bearer: Bearer
) -> None:
    answer = ask(client, route, bearer(roles=roles))
    assert answer.status_code == (_LET_THROUGH if MATRIX[route].roles & set(roles) else 403)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("route", MATRIX)
def test_nobody_without_a_token(route: str, client: TestClient) -> None:
    assert ask(client, route).status_code == 401


@pytest.mark.parametrize("path", sorted(PUBLIC_PATHS - {"/readyz"}))
def test_public_routes_answer_anybody(path: str, client: TestClient) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b'{"analytics": 1}', b"[" * 50_000])
def test_the_token_is_checked_before_the_body(
    body: bytes, client: TestClient, bearer: Bearer
) -> None:
    path, json_type = f"{BASE}/me/consent", {"Content-Type": "application/json"}
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
        f"{BASE}/me/consent",
        content=b'{"analytics": true}',
        headers=bearer() | {"Content-Type": kind},
    )
    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "The body must be application/json."


@pytest.mark.parametrize("value", ["1", "0", '"true"', "null", "[]", "{}"])
def test_a_decision_is_true_or_false(value: str, client: TestClient, bearer: Bearer) -> None:
    answer = client.put(
        f"{BASE}/me/consent",
        content=f'{{"analytics": {value}}}',
        headers=bearer() | {"Content-Type": "application/json; charset=utf-8"},
    )
    assert answer.status_code == 422
    assert [fault["parameter"] for fault in answer.json()["errors"]] == ["analytics"]


def test_roles_are_checked_before_parameters(client: TestClient, bearer: Bearer) -> None:
    path = f"{BASE}/admin/sms-analytics/system?time_range=never"
    assert client.get(path, headers=bearer()).status_code == 403


@pytest.mark.parametrize("parameter", ["user_id", "sub", "user"])
def test_me_takes_no_user_id_from_a_parameter(
    parameter: str, client: TestClient, bearer: Bearer
) -> None:
    answer = client.get(f"{BASE}/me/sms-analytics", params={parameter: 7}, headers=bearer())
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
