"""Parameters are judged once; who asks, and how often, is looked at each time."""

from __future__ import annotations

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.testclient import TestClient

from query_api.access import as_user
from query_api.backend import WithBackend
from query_api.parameters import RangeParameters
from query_api.routes.judged import JudgedOnce
from query_api.tokens import Principal
from tests.query_api.conftest import Bearer

_USERS = Depends(as_user)


@pytest.fixture
def asked() -> list[RangeParameters]:
    """The parameters of each call of the endpoint."""
    return []


@pytest.fixture
def probe(client: TestClient, asked: list[RangeParameters]) -> TestClient:
    """The API with one more route, that shows what its endpoint was given."""
    router = APIRouter(dependencies=[_USERS], route_class=JudgedOnce)

    @router.get("/probe/{number}")
    async def endpoint(
        request: Request,
        backend: WithBackend,
        principal: Annotated[Principal, _USERS],
        number: int,
        parameters: Annotated[RangeParameters, Query()],
    ) -> Response:
        asked.append(parameters)
        told = f"{principal.user_id} {number} {parameters.timezone} {request.headers['x-told']}"
        return Response(told)

    app = client.app
    assert isinstance(app, FastAPI)
    app.include_router(router)
    return client


def _ask(client: TestClient, headers: dict[str, str], path: str = "/probe/3?timezone=UTC") -> str:
    answer = client.get(path, headers={"X-Told": "a"} | headers)
    return answer.text if answer.status_code == 200 else str(answer.status_code)


def test_what_follows_from_path_and_query_is_judged_once(
    probe: TestClient, asked: list[RangeParameters], bearer: Bearer
) -> None:
    assert _ask(probe, bearer(user_id=1)) == "1 3 UTC a"
    assert _ask(probe, bearer(user_id=2) | {"X-Told": "b"}) == "2 3 UTC b"
    assert asked[0] is asked[1]
    assert _ask(probe, bearer(), "/probe/4?timezone=Europe/Berlin") == "42 4 Europe/Berlin a"
    assert asked[2] is not asked[0]


def test_who_asks_is_judged_each_time(probe: TestClient, bearer: Bearer) -> None:
    good = _ask(probe, bearer())
    assert _ask(probe, {}) == "401"
    assert _ask(probe, bearer(roles=())) == "403"
    assert _ask(probe, {"Authorization": "Bearer none"}) == "401"
    assert _ask(probe, bearer()) == good


def test_what_is_refused_stays_refused(
    probe: TestClient, asked: list[RangeParameters], bearer: Bearer
) -> None:
    for path in ("/probe/x", "/probe/3?timezon=UTC", "/probe/3?time_range=8d"):
        assert [_ask(probe, bearer(), path) for _ in range(2)] == ["422", "422"]
    assert asked == []


def test_a_long_query_is_not_remembered(
    probe: TestClient, asked: list[RangeParameters], bearer: Bearer
) -> None:
    path = f"/probe/3?timezone=UTC{'&' * 600}"
    assert [_ask(probe, bearer(), path) for _ in range(2)] == ["42 3 UTC a"] * 2
    assert asked[0] is not asked[1]


def test_only_so_many_questions_are_remembered(
    probe: TestClient,
    asked: list[RangeParameters],
    bearer: Bearer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("query_api.routes.judged.MAX_KNOWN", 2)
    for number in (1, 2, 1, 3, 1, 2):
        _ask(probe, bearer(), f"/probe/{number}")
    first, second, again, _, still, anew = asked
    assert again is first
    assert still is first
    assert anew is not second


@pytest.mark.parametrize("depends", [(), (_USERS,)])
def test_an_endpoint_that_takes_more_is_refused(depends: tuple[object, ...]) -> None:
    router = APIRouter(route_class=JudgedOnce, dependencies=depends)

    async def endpoint(request: Request, language: Annotated[str, Header()] = "") -> Response:
        raise NotImplementedError

    with pytest.raises(TypeError, match="nothing but path and query"):
        router.add_api_route("/more", endpoint)
