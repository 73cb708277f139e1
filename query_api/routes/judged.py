"""Routes whose parameters are judged once, not by each request that asks the same.

To resolve dependencies and to check parameters is most of what the framework does for an answer
that is kept. All of it but who asks follows from path and query, so what these came to is
remembered. The token, the role and the rate limit are looked at each time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import wraps
from inspect import signature
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from query_api.access import role_of
from query_api.backend import backend_of

MAX_KNOWN = 10_000
"""Questions of a route; of these the one that was asked longest ago is judged anew."""
_MAX_BYTES = 512
"""A longer query is judged each time."""

_OWN = frozenset({"request", "backend", "principal"})
"""What an endpoint may take that does not follow from path and query."""

_Question = tuple[str, bytes]


class JudgedOnce(APIRoute):
    """A route whose endpoint takes `request`, `backend`, maybe `principal`, and what follows from
    path and query. Raises TypeError for one that takes a body, a header or a cookie."""

    def __init__(
        self, path: str, endpoint: Callable[..., Awaitable[Response]], **options: Any
    ) -> None:
        self._known: OrderedDict[_Question, Mapping[str, Any]] = OrderedDict()
        self._endpoint = endpoint
        self._takes_principal = "principal" in signature(endpoint).parameters

        @wraps(endpoint)
        async def remembered(**values: Any) -> Response:
            self._remember(values)
            return await endpoint(**values)

        super().__init__(path, remembered, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What FastAPI calls for each request."""
        judge, role, takes = super().get_route_handler(), role_of(self.dependant), self.dependant
        if role is None or takes.body_params or takes.header_params or takes.cookie_params:
            raise TypeError(f"{self.path} must take a role, and nothing but path and query")

        async def handle(request: Request) -> Response:
            question = _question(request)
            if (known := self._known.get(question)) is None:
                return await judge(request)
            self._known.move_to_end(question)
            principal = await role(request)
            own = {"principal": principal} if self._takes_principal else {}
            backend = backend_of(request)
            return await self._endpoint(request=request, backend=backend, **own, **known)

        return handle

    def _remember(self, values: Mapping[str, Any]) -> None:
        question = _question(values["request"])
        if len(question[1]) <= _MAX_BYTES:
            known = {name: value for name, value in values.items() if name not in _OWN}
            self._known[question] = known
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)


def _question(request: Request) -> _Question:
    return request.scope["path"], request.scope["query_string"]
