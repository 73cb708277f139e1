"""From a question to its response: stamp, cache, times, entity tag."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from time import perf_counter

from fastapi import Request, Response
from pydantic import BaseModel, TypeAdapter

from query_api.backend import Backend
from query_api.cache import Kept
from query_api.errors import UnavailableError
from query_api.freshness import Freshness
from query_api.shown import Shown
from query_api.stamps import Reading
from query_api.zones import BUCKET_S, utc

Make = Callable[[Reading, float], Awaitable[BaseModel]]
"""What computes an answer: how the tables are, and now in epoch seconds."""
_TIME = TypeAdapter(datetime | None)


async def answer(
    backend: Backend, request: Request, user_id: int | None, now: float, make: Make
) -> Response:
    """The response to a request about a user, or the system (None), at `now`.

    `make` computes the answer; its path, query, user and `now`'s quarter of an hour name it. Raises
    `UnavailableError`.
    """
    name = (request.scope["path"], request.scope["query_string"])

    async def again(at: float) -> None:
        await _keep(backend, name, user_id, at, make, is_asked=False)

    backend.warmer.asked(user_id, name, again)
    fresh, kept = await _keep(backend, name, user_id, now, make)
    headers = {"ETag": kept.etag, "Cache-Control": "private, no-cache"}
    if _is_known(request, kept.etag):
        return Response(status_code=304, headers=headers)
    generated_at, as_of = (_TIME.dump_json(moment) for moment in (utc(now), fresh.data_as_of))
    body = b'%s,"generated_at":%s,"data_as_of":%s}' % (kept.body, generated_at, as_of)
    return Response(body, 200, headers, media_type="application/json")


async def _keep(
    backend: Backend,
    name: tuple[str, bytes],
    user_id: int | None,
    now: float,
    make: Make,
    *,
    is_asked: bool = True,
) -> tuple[Freshness, Kept]:
    """The answer to a question, kept or computed, and how fresh the tables were before."""
    stamps = backend.stamps
    reading = await (stamps.of_system() if user_id is None else stamps.of_user(user_id))
    fresh = reading.fresh
    key = (
        *name,
        user_id,
        int(now // BUCKET_S),
        fresh.overdue_before // BUCKET_S,
        fresh.as_of_ms is None,
        reading.stamp,
    )

    async def compute() -> BaseModel:
        if user_id is not None:
            return await make(reading, now)
        async with _system_turn(backend):
            begin = perf_counter()
            computed = await make(reading, now)
            stamps.took(perf_counter() - begin)
        return computed

    return fresh, await backend.cache.get(key, compute, is_asked=is_asked)


@asynccontextmanager
async def _system_turn(backend: Backend) -> AsyncIterator[None]:
    """An answer about the system takes most of the turns of the pool, and both cores of a small
    machine: one at a time, for which another waits no longer than a query may take."""
    try:
        async with asyncio.timeout(backend.settings.query_max_seconds):
            await backend.system_turn.acquire()
    except TimeoutError:
        raise UnavailableError(
            "Too many questions about the system are being answered at the moment.", reason="pool"
        ) from None
    try:
        yield
    finally:
        backend.system_turn.release()


async def shown_of(backend: Backend, user_id: int) -> Shown:
    """What asks about a user when no answer is kept."""
    return Shown(backend.pool, await backend.stamps.erased_before(user_id))


def _is_known(request: Request, etag: str) -> bool:
    """Whether the client has this answer; compared weakly (RFC 9110, 13.1.2)."""
    known = ",".join(request.headers.getlist("if-none-match"))
    return known.strip() == "*" or etag in {tag.strip() for tag in known.split(",")}
