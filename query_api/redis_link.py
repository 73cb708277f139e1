"""Redis, which API processes may share rate limits and kept answers by; never one they depend on.

A call that fails gives None: its caller counts in memory, or computes. After a failure Redis is
left alone for a moment, then tried by one request at a time, so an outage costs next to nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from query_api.metrics import Metrics
from schemas.api.health import Check

log = logging.getLogger("query_api")

T = TypeVar("T")
TIMEOUT_S = 0.25
"""Of connecting and of a call; a request is never held up longer."""
PAUSE_S = 1.0
_CONNECTIONS = 32
_TEXT_CHARACTERS = 200


class RedisLink:
    """Calls to the Redis at `url`, or None instead of their result."""

    def __init__(self, url: str, metrics: Metrics) -> None:
        self._metrics = metrics
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=TIMEOUT_S,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis: Redis = Redis(connection_pool=pool)
        self._failure: str | None = None
        self._next_try = 0.0

    async def run(self, use: str, call: Callable[[Redis], Awaitable[T]]) -> T | None:
        """The result of a call; None where Redis fails. `use` is a word for metrics."""
        if self._failure is not None:
            now = monotonic()
            if now < self._next_try:
                return None
            self._next_try = now + PAUSE_S
        try:
            async with asyncio.timeout(TIMEOUT_S):
                found = await call(self._redis)
        except (RedisError, OSError) as error:
            self._failed(use, error)
            return None
        if self._failure is not None:
            log.warning("redis answers again")
            self._failure = None
        self._metrics.redis_up.set(1)
        return found

    def _failed(self, use: str, error: Exception) -> None:
        cause = " ".join(str(error).split()) or f"no answer within {TIMEOUT_S:g} s"
        self._metrics.redis_failures.labels(use).inc()
        self._metrics.redis_up.set(0)
        if self._failure is None:
            log.warning("redis failed: %s", cause[:_TEXT_CHARACTERS])
        self._failure = cause[:_TEXT_CHARACTERS]
        self._next_try = monotonic() + PAUSE_S

    async def check(self) -> Check:
        """The part of `/readyz`: without Redis the API is degraded, not unready."""

        async def ping(redis: Redis) -> Any:
            return await redis.ping()

        await self.run("check", ping)
        if self._failure is None:
            return Check(name="redis", status="ok", detail="answers")
        detail = f"limits and kept answers are this process's own: {self._failure}"
        return Check(name="redis", status="degraded", detail=detail)

    async def close(self) -> None:
        """Close every connection."""
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()
