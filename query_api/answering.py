"""From a question to its response: stamp, cache, times, entity tag."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from time import perf_counter

from fastapi import Request, Response
from pydantic import BaseModel, TypeAdapter

from query_api.backend import Backend
from query_api.freshness import Freshness
from query_api.parameters import RangeParameters
from query_api.past import WithPast, past_end
from query_api.period import Period
from query_api.questions import Asker
from query_api.stamps import Reading
from query_api.zones import BUCKET_S, utc

OfUser = Callable[[Asker, int, Period, Freshness, float, int], Awaitable[BaseModel]]
"""What computes an answer about a user: of whom, over which period, how fresh the tables are, now
in epoch seconds, and the message retention in days."""
_TIME = TypeAdapter(datetime | None)


async def answer(
    backend: Backend,
    request: Request,
    user_id: int | None,
    now: float,
    make: Callable[[Reading], Awaitable[BaseModel]],
) -> Response:
    """The response to a request about a user, or the system (None), at `now`.

    `make` computes the answer; its path, query, user and `now`'s quarter of an hour name it. Raises
    `UnavailableError`.
    """
    stamps = backend.stamps
    reading = await (stamps.of_system() if user_id is None else stamps.of_user(user_id))
    fresh = reading.fresh
    key = (
        request.scope["path"],
        request.scope["query_string"],
        user_id,
        int(now // BUCKET_S),
        fresh.overdue_before // BUCKET_S,
        fresh.as_of_ms is None,
        reading.stamp,
    )

    async def compute() -> BaseModel:
        begin = perf_counter()
        computed = await make(reading)
        if user_id is None:
            stamps.took(perf_counter() - begin)
        return computed

    kept = await backend.cache.get(key, compute)
    headers = {"ETag": kept.etag, "Cache-Control": "private, no-cache"}
    if _is_known(request, kept.etag):
        return Response(status_code=304, headers=headers)
    generated_at, as_of = (_TIME.dump_json(moment) for moment in (utc(now), fresh.data_as_of))
    body = b'%s,"generated_at":%s,"data_as_of":%s}' % (kept.body, generated_at, as_of)
    return Response(body, 200, headers, media_type="application/json")


async def answer_about_user(
    backend: Backend, request: Request, user_id: int, parameters: RangeParameters, shape: OfUser
) -> Response:
    """The response to a question about one user over a range; `shape` computes the answer."""
    now = backend.clock()
    period, retention = parameters.period(now), backend.settings.message_retention_days

    def make(reading: Reading) -> Awaitable[BaseModel]:
        asker = WithPast(
            backend.pool, backend.past_rows, (user_id, reading.past), reading.stamp, past_end(now)
        )
        return shape(asker, user_id, period, reading.fresh, now, retention)

    return await answer(backend, request, user_id, now, make)


def _is_known(request: Request, etag: str) -> bool:
    """Whether the client has this answer; compared weakly (RFC 9110, 13.1.2)."""
    known = ",".join(request.headers.getlist("if-none-match"))
    return known.strip() == "*" or etag in {tag.strip() for tag in known.split(",")}
