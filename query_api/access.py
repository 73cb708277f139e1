"""Who may call what: every route names a role, or is one of the few that are public.

`forbid_open_routes` runs when the app is built, so that a route without a role stops the process
at its start instead of answering anybody.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from fastapi.security import HTTPBearer

from query_api.backend import backend_of
from query_api.errors import ForbiddenError
from query_api.tokens import Principal

PUBLIC_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"})


class Role(HTTPBearer):
    """A dependency that hands on the principal if it has one of `roles`; documents the token."""

    def __init__(self, *roles: str) -> None:
        super().__init__(
            scheme_name="bearer",
            bearerFormat="JWT",
            description="Claims: `sub` (user id), `roles`, `exp`, `iat`, `iss` and `aud`.",
            auto_error=False,
        )
        self.roles = frozenset(roles)

    async def __call__(self, request: Request) -> Principal:  # type: ignore[override]
        backend = backend_of(request)
        authorization = request.headers.getlist("authorization")
        principal = await backend.tokens.principal_of(authorization)
        request.scope["user_id"] = principal.user_id
        request.scope["roles"] = principal.roles
        if allowance := await backend.users.take(principal.user_id):
            request.scope["rate_limit"] = allowance
            allowance.check()
        if not self.roles & principal.roles:
            raise ForbiddenError(f"This needs the role {' or '.join(sorted(self.roles))}.")
        return principal


as_user = Role("user", "admin")
as_admin = Role("admin")


def role_of(dependant: Dependant | None) -> Role | None:
    """The role that a route asks for, if it does."""
    found = (inner.call for inner in (dependant.dependencies if dependant else ()))
    return next((call for call in found if isinstance(call, Role)), None)


def forbid_open_routes(app: FastAPI) -> None:
    """Raise RuntimeError naming every route that has no role and is not public."""
    found = [
        str(route.path)
        for route in iter_route_contexts(app.routes)
        if route.path not in PUBLIC_PATHS and role_of(getattr(route, "dependant", None)) is None
    ]
    if found:
        raise RuntimeError(f"routes without a role: {', '.join(found)}")
