"""Turns every failure into `application/problem+json` (RFC 9457), with the request's id.

The one place that writes errors: `ApiError`s, the framework's own (404, 405, validation) and
the unexpected ones, whose cause goes to the log and never to the client.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException

from query_api.errors import ApiError
from schemas.api.problems import FieldError, Problem

log = logging.getLogger("query_api")

MEDIA_TYPE = "application/problem+json"
_TITLES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}
"""As in RFC 9110; Python's own names for these changed in 3.13."""
_INPUT_PARTS = frozenset({"query", "path", "header", "body", "cookie"})


def problem_response(
    request: Request,
    status: int,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """A problem document as a response."""
    problem = Problem(
        title=title_of(status),
        status=status,
        detail=detail,
        instance=request.url.path,
        request_id=request.scope.get("request_id", ""),
        errors=list(errors),
    )
    return JSONResponse(problem.model_dump(), status, headers, media_type=MEDIA_TYPE)


def title_of(status: int) -> str:
    """The name of a status."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


def install(app: FastAPI) -> None:
    """Register the handlers of every kind of failure."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)


async def _api_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return problem_response(
        request, error.status, error.detail, errors=error.errors, headers=error.headers
    )


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    details = {
        404: "There is nothing at this path.",
        405: f"This path does not answer {request.method}.",
    }
    detail = details.get(error.status_code, str(error.detail))
    headers = dict(error.headers) if error.headers else {}
    if error.status_code == 405:
        headers["Allow"] = _allowed(request)
    return problem_response(request, error.status_code, detail, headers=headers)


def _allowed(request: Request) -> str:
    """The methods of all routes at a path; Starlette names those of the first one alone."""
    path = request.scope["path"]
    found = {
        method
        for route in iter_route_contexts(request.app.routes)
        if route.path_regex.match(path)
        for method in route.methods or ()
    }
    return ", ".join(sorted(found))


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [_field_error(fault) for fault in error.errors()]
    detail = "; ".join(f"{fault.parameter}: {fault.detail}" for fault in errors)
    return problem_response(request, 422, detail, errors=errors)


def _field_error(fault: dict[str, Any]) -> FieldError:
    path = [str(part) for part in fault["loc"] if part not in _INPUT_PARTS]
    if fault["type"] == "extra_forbidden":
        return FieldError(parameter=".".join(path), detail="This parameter is not known.")
    message = str(fault["msg"]).removeprefix("Value error, ")
    return FieldError(parameter=".".join(path) or str(fault["loc"][0]), detail=message)
