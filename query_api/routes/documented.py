"""The error answers of the analytics routes, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from query_api.problems import MEDIA_TYPE, title_of
from schemas.api.problems import FieldError, Problem

Responses = dict[int | str, dict[str, Any]]

_PATH = "/api/v1/analytics/me/sms-analytics"


def _response(status: int, detail: str, *errors: FieldError) -> dict[str, Any]:
    title = title_of(status)
    problem = Problem(
        title=title,
        status=status,
        detail=detail,
        instance=_PATH,
        request_id="5f0c8f4e9a7b4f0e8d5f3c2b1a098765",
        errors=list(errors),
    )
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {MEDIA_TYPE: {"schema": schema, "example": problem.model_dump()}}
    return {"description": title, "content": content}


def _with_header(response: dict[str, Any], name: str, example: str) -> dict[str, Any]:
    header = {"schema": {"type": "string"}, "example": example}
    return response | {"headers": {name: header}}


_TOO_LONG = "end must be at most 400 days after start"

_TOO_MANY = _with_header(
    _response(429, "At most 300 requests a minute; ask again in 1 s."), "Retry-After", "1"
)

PUBLIC_ERRORS: Responses = {
    413: _response(413, "A body may be 65536 bytes long."),
    414: _response(414, "Path and query may be 4096 bytes long."),
    429: _TOO_MANY,
    500: _response(
        500, "Something went wrong here. The request id leads to the cause in the logs."
    ),
}
"""What any route may answer; 405 belongs to no operation of a path, but to what is none."""

ERRORS: Responses = PUBLIC_ERRORS | {
    401: _with_header(
        _response(401, "The token has expired."),
        "WWW-Authenticate",
        'Bearer realm="sms-analytics", error="invalid_token"',
    ),
    403: _response(403, "This needs the role admin."),
    422: _response(422, _TOO_LONG, FieldError(parameter="end", detail=_TOO_LONG)),
    503: _with_header(
        _response(503, "The database cannot be reached."),
        "Retry-After",
        "5",
    ),
}

BODY: Responses = {415: _response(415, "The body must be application/json.")}

NOT_FOUND: Responses = {404: _response(404, "You have no message with this sid.")}

FILES: Responses = {
    200: {
        "description": "The file, as a download",
        "content": {
            "text/csv": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {"schema": {"type": "object", "required": ["rows"]}},
        },
        "headers": {
            "Content-Disposition": {
                "schema": {"type": "string"},
                "example": 'attachment; filename="sms-usage-report_2026-01-01_2026-01-31.csv"',
            }
        },
    }
}

NOT_MODIFIED: Responses = {
    304: {"description": "The numbers are those of the `If-None-Match` that was sent."}
}
