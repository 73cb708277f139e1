"""Every route that is not public: whom it lets through, whose data it shows, whether it is audited.

A new route has to be entered here: a test compares the keys with the routes of the app.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from httpx import Response

BASE = "/api/v1/analytics"
_ANYBODY, _ADMIN = frozenset({"user", "admin"}), frozenset({"admin"})


@dataclass(frozen=True)
class Route:
    """`roles` of which one is needed; `whose` data; whether even allowed requests are audited."""

    roles: frozenset[str]
    whose: Literal["own", "of the path", "everybody's"]
    is_audited: bool = True
    status: int = 200


_OWN = Route(_ANYBODY, "own", is_audited=False)
_OWN_FILE = Route(_ANYBODY, "own")
_USERS = Route(_ADMIN, "of the path")
_SYSTEM = Route(_ADMIN, "everybody's")
MATRIX = {
    "GET /me/sms-analytics": _OWN,
    "GET /me/sms-costs": _OWN,
    "GET /me/messages": _OWN,
    "GET /me/messages/{message_sid:path}": _OWN,
    "GET /me/consent": _OWN,
    "GET /me/erasures": _OWN,
    "GET /me/sms-usage-report": _OWN_FILE,
    "GET /me/data-export": _OWN_FILE,
    "PUT /me/consent": Route(_ANYBODY, "own"),
    "DELETE /me/data": Route(_ANYBODY, "own", status=202),
    "GET /admin/sms-analytics/system": _SYSTEM,
    "GET /admin/sms-usage-report": _SYSTEM,
    "GET /admin/sms-performance": _SYSTEM,
    "GET /admin/audit": _SYSTEM,
    "GET /admin/users": _SYSTEM,
    "GET /admin/cost-export": _SYSTEM,
    "GET /admin/users/{user_id}/sms-analytics": _USERS,
    "GET /admin/users/{user_id}/sms-costs": _USERS,
    "GET /admin/users/{user_id}/erasures": _USERS,
    "DELETE /admin/users/{user_id}/data": Route(_ADMIN, "of the path", status=202),
}


def routes_of(app: FastAPI) -> set[str]:
    """Method and path of every route, named as in the matrix."""
    return {
        f"{method} {route.path}".replace(BASE, "")
        for route in iter_route_contexts(app.routes)
        for method in (route.methods or {"GET"}) - {"HEAD"}
    }


def ask(
    client: TestClient,
    route: str,
    headers: dict[str, str] | None = None,
    user_id: int = 7,
    message_sid: str = "SM1",
) -> Response:
    """A good request to a route; the path's user and message are those given."""
    method, _, path = route.partition(" ")
    path = path.replace("{user_id}", str(user_id)).replace("{message_sid:path}", message_sid)
    body = {"analytics": True} if method == "PUT" else None
    return client.request(method, BASE + path, headers=headers, json=body)
