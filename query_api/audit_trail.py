"""Which requests are audited: every admin route, every export and change, every refusal.

ASGI, inside the edge: it sees the answer that is about to be sent, so no route can forget it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from query_api.audit import Auditor, Entry
from query_api.errors import UnavailableError
from query_api.leaving import CLIENT_LEFT
from query_api.problems import problem_response

_API = "/api/v1/analytics/"
_ADMIN = f"{_API}admin/"
_EXPORTS = frozenset({"/api/v1/analytics/me/sms-usage-report", "/api/v1/analytics/me/data-export"})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_REFUSED = frozenset({401, 403, 429})


class AuditTrail:
    """ASGI middleware; reads route, principal and request id from the scope."""

    def __init__(self, app: ASGIApp, clock: Callable[[], float]) -> None:
        self.app = app
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_replaced = is_audited = False

        async def send_when_audited(message: Message) -> None:
            nonlocal is_replaced, is_audited
            if message["type"] == "http.response.start":
                is_audited = True
                try:
                    await self._audit(scope, message["status"])
                except UnavailableError as error:
                    is_replaced = True
                    detail = "This request cannot be audited at the moment."
                    response = problem_response(
                        Request(scope), error.status, detail, headers=error.headers
                    )
                    await response(scope, receive, send)
            if not is_replaced:
                await send(message)

        try:
            await self.app(scope, receive, send_when_audited)
        except asyncio.CancelledError:
            if not is_audited and _is_audited(scope):
                self._auditor(scope).note(self._entry(scope, CLIENT_LEFT, "allowed"))
            raise

    async def _audit(self, scope: Scope, status: int) -> None:
        auditor = self._auditor(scope)
        if status in _REFUSED:
            auditor.note(self._entry(scope, status, "refused"))
        elif _is_audited(scope):
            entry = self._entry(scope, status, "allowed")
            # What shows nothing need not wait, and ClickHouse may be what failed.
            if status >= 400:
                auditor.note(entry)
            else:
                await auditor.record(entry)

    @staticmethod
    def _auditor(scope: Scope) -> Auditor:
        auditor = scope["app"].state.backend.auditor
        assert isinstance(auditor, Auditor)
        return auditor

    def _entry(self, scope: Scope, status: int, decision: str) -> Entry:
        actor = scope.get("user_id", 0)
        route = _route(scope)
        subject = scope.get("path_params", {}).get("user_id", 0)
        return Entry(
            at=self.clock(),
            entry_id=uuid.uuid4().hex,
            request_id=scope["request_id"],
            actor_id=actor,
            roles=tuple(sorted(scope.get("roles", ()))),
            method=scope["method"],
            route=route,
            subject_id=_user_id(subject) if route.startswith(_ADMIN) else actor,
            decision=decision,
            status=status,
        )


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", ""))


def _is_audited(scope: Scope) -> bool:
    route = _route(scope)
    is_change = scope["method"] not in _READS and route.startswith(_API)
    return route.startswith(_ADMIN) or route in _EXPORTS or is_change


def _user_id(text: object) -> int:
    """The user in a path; 0 for what is none."""
    is_number = isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 17
    return int(str(text)) if is_number else 0
