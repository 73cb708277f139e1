"""The outermost layer of every request: its id, cheap limits, headers, log line and metrics.

Plain ASGI, so that it costs microseconds and sees each answer as it is sent.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterable
from time import perf_counter

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from query_api.errors import (
    ApiError,
    ContentTooLargeError,
    TooManyRequestsError,
    UriTooLongError,
)
from query_api.leaving import CLIENT_LEFT, answer_until_left
from query_api.limits import Limiter
from query_api.logs import ACCESS
from query_api.metrics import Metrics
from query_api.problems import problem_response

log = logging.getLogger("query_api")

Header = tuple[bytes, bytes]

MAX_URI_BYTES = 4096
MAX_BODY_BYTES = 64 * 1024
_BODY_TOO_LONG = f"A body may be {MAX_BODY_BYTES} bytes long."
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_ID_HEADER = b"x-request-id"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_UNMATCHED = "(none)"
_HEADERS = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"strict-transport-security": b"max-age=31536000",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}


class Edge:
    """ASGI middleware. Leaves `request_id` in the scope; headers that a route set itself stay."""

    def __init__(self, app: ASGIApp, metrics: Metrics, addresses: Limiter[str]) -> None:
        self.app = app
        self.metrics = metrics
        self.addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["request_id"] = _request_id(scope)
        begin = perf_counter()
        status = 0
        is_replaced = False

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_headers(scope, message.get("headers", ()))
            await send(message)

        async def send_unless_too_many(message: Message) -> None:
            nonlocal is_replaced
            if message["type"] == "http.response.start" and self._is_failure(message["status"]):
                try:
                    await self._count_failure(scope)
                except TooManyRequestsError as error:
                    is_replaced = True
                    response = problem_response(
                        Request(scope), error.status, error.detail, headers=error.headers
                    )
                    await response(scope, receive, send_with_headers)
            if not is_replaced:
                await send_with_headers(message)

        try:
            await self._answer(scope, receive, send_unless_too_many)
        except Exception:
            log.exception("unexpected error", extra={"request_id": scope["request_id"]})
            if status:
                raise  # The answer has begun: only closing the connection can tell the client.
            detail = "Something went wrong here. The request id leads to the cause in the logs."
            response = problem_response(Request(scope), 500, detail)
            await response(scope, receive, send_with_headers)
        finally:
            self._record(scope, status or CLIENT_LEFT, perf_counter() - begin)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if error := _too_long(scope):
            response = problem_response(Request(scope), error.status, error.detail)
            await response(scope, receive, send)
        else:
            await answer_until_left(self._limited_app, scope, receive, send)

    async def _limited_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, _limited(receive), send)

    def _is_failure(self, status: int) -> bool:
        return 400 <= status < 500 and status != TooManyRequestsError.status

    async def _count_failure(self, scope: Scope) -> None:
        """One more failing request of this address; raises `TooManyRequestsError`."""
        address = scope["client"][0] if scope.get("client") else ""
        if allowance := await self.addresses.take(address):
            scope["rate_limit"] = allowance
            allowance.check()

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", _UNMATCHED)
        self.metrics.requests.labels(method, route, status).inc()
        self.metrics.request_seconds.labels(route).observe(seconds)
        fields = {
            "request_id": scope["request_id"],
            "method": method,
            "route": route,
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
        }
        if "user_id" in scope:
            fields["user_id"] = scope["user_id"]
        ACCESS.info("request", extra=fields)


def _with_headers(scope: Scope, headers: Iterable[Header]) -> list[Header]:
    """The headers of an answer, and those of every answer that it does not set itself."""
    given = dict(_HEADERS)
    if allowance := scope.get("rate_limit"):
        given |= allowance.headers
    own = [header for header in headers if header[0] != _REQUEST_ID_HEADER]
    for name, _ in own:
        given.pop(name, None)
    return [*own, (_REQUEST_ID_HEADER, scope["request_id"].encode()), *given.items()]


def _too_long(scope: Scope) -> ApiError | None:
    """What the head of a request shows to be too long."""
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_URI_BYTES:
        return UriTooLongError(f"Path and query may be {MAX_URI_BYTES} bytes long.")
    for name, value in scope["headers"]:
        if name == b"content-length" and not _is_short(value):
            return ContentTooLargeError(_BODY_TOO_LONG)
    return None


def _is_short(content_length: bytes) -> bool:
    """Whether a Content-Length is a number of bytes that a route may read."""
    # int() of thousands of digits is an error, and slow.
    return (
        content_length.isdigit()
        and len(content_length) < 10
        and (int(content_length) <= MAX_BODY_BYTES)
    )


def _limited(receive: Receive) -> Receive:
    """Gives a body without a Content-Length (chunked) the same limit, where a route reads it."""
    size = 0

    async def receive_and_count() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY_BYTES:
            # FastAPI passes this one on from within its reading of a body, and no other.
            raise HTTPException(ContentTooLargeError.status, _BODY_TOO_LONG)
        return message

    return receive_and_count


def _request_id(scope: Scope) -> str:
    """The caller's X-Request-ID if it is harmless in logs and headers, else a new one."""
    for name, value in scope["headers"]:
        if name == _REQUEST_ID_HEADER and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return uuid.uuid4().hex
