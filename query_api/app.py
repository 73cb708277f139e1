"""The query API as an ASGI app: `uvicorn --factory query_api.app:create_app`.

The last station of the flow: reads the rollups that the workers write, answers dashboards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from query_api import logs, openapi, problems
from query_api.access import forbid_open_routes
from query_api.audit import Auditor
from query_api.audit_trail import AuditTrail
from query_api.backend import Backend
from query_api.cache import AnswerCache
from query_api.clickhouse import ClickHousePool
from query_api.cursor import CursorSigner
from query_api.downloads import Downloads
from query_api.edge import Edge
from query_api.issuer import Issuer
from query_api.kept import KeptNumbers
from query_api.keys import SharedKey
from query_api.limits import Limiter
from query_api.metrics import Metrics
from query_api.publishing import KafkaPublisher
from query_api.rates import RateWatch
from query_api.readiness import Probe
from query_api.redis_link import RedisLink
from query_api.routes import admin, me, privacy, reports, root
from query_api.settings import ApiSettings, load_settings
from query_api.shared_answers import RedisAnswers
from query_api.stamps import Stamps
from query_api.tables import UserTables
from query_api.tokens import Tokens
from query_api.versions import UserVersions
from query_api.warming import Warmer
from schemas.settings import clickhouse_arguments

_STAMP_QUERIES = 3
"""The progress, the system's stamps and, where answers are shared, those of users, at the same
time."""


def create_app(
    settings: ApiSettings | None = None, clock: Callable[[], float] = time.time
) -> FastAPI:
    """The app; reads `SMS_…` when no settings are given and raises `InvalidSettingsError`."""
    settings = settings or load_settings()
    metrics = Metrics()
    signer = CursorSigner(settings.seal_key)
    redis = (
        RedisLink(settings.redis_url.get_secret_value(), metrics) if settings.redis_url else None
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        logs.configure()
        pool = ClickHousePool(settings, metrics)
        # Kept answers must not wait behind those that are computed.
        stamp_pool = ClickHousePool(settings, metrics, _STAMP_QUERIES)
        metrics.pool_size.set(settings.pool_size + _STAMP_QUERIES)
        downloads = Downloads(settings, metrics)
        auditor = Auditor(pool, metrics)
        publisher = KafkaPublisher(settings)
        keys = _keys(settings, metrics, clock)
        rates = RateWatch(pool, settings, metrics, clock)
        watched = [part for part in (rates, redis, keys) if not isinstance(part, SharedKey | None)]
        shared = _shared(settings, redis)
        stamps = Stamps(stamp_pool, clock, UserVersions(stamp_pool) if shared else None)
        warmer = Warmer(clock, stamps.take_changed, pool.has_room)
        app.state.backend = Backend(
            settings=settings,
            metrics=metrics,
            pool=pool,
            downloads=downloads,
            auditor=auditor,
            publisher=publisher,
            tokens=Tokens(settings, keys),
            users=Limiter("user", settings.user_requests_per_minute, clock, redis),
            stamps=stamps,
            system_turn=asyncio.Lock(),
            cache=AnswerCache(settings.cache_mb * 1_000_000, metrics, shared),
            numbers=KeptNumbers(settings.cache_mb * 1_000_000),
            tables=UserTables(pool),
            warmer=warmer,
            signer=signer,
            probe=Probe(pool, settings, clock, [part.check for part in watched]),
            clock=clock,
        )
        tasks = [asyncio.create_task(auditor.run())]
        if settings.cache_mb:
            tasks.append(asyncio.create_task(warmer.run()))
        if isinstance(keys, Issuer):
            tasks.append(asyncio.create_task(keys.run()))
        yield
        for task in tasks:
            task.cancel()
        await auditor.close()
        publisher.close()
        pool.close()
        stamp_pool.close()
        downloads.close()
        if isinstance(keys, Issuer):
            keys.close()
        if redis:
            await redis.close()

    app = FastAPI(
        title="SMS usage analytics",
        summary="Usage, delivery and cost of SMS and MMS, from exact rollups.",
        version=version("sms-analytics"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.add_middleware(AuditTrail, clock=clock)
    if settings.cors_origins:
        app.add_middleware(CORSMiddleware, **_cors(settings.cors_origins))
    addresses: Limiter[str] = Limiter("address", settings.address_failures_per_minute, clock, redis)
    app.add_middleware(Edge, metrics=metrics, addresses=addresses)
    problems.install(app)
    # Routes are tried one after the other: what is asked most stands first.
    app.include_router(me.answers)
    app.include_router(me.router)
    app.include_router(admin.answers)
    app.include_router(admin.router)
    app.include_router(reports.router)
    app.include_router(privacy.router)
    app.include_router(root.router)
    app.openapi = partial(openapi.document, app)  # type: ignore[method-assign]
    forbid_open_routes(app)
    return app


def _keys(
    settings: ApiSettings, metrics: Metrics, clock: Callable[[], float]
) -> SharedKey | Issuer:
    if settings.jwt_jwks_url is None:
        assert settings.jwt_secret
        return SharedKey(settings.jwt_secret.get_secret_value())
    return Issuer(
        settings.jwt_jwks_url,
        settings.jwt_algorithms,
        settings.jwt_jwks_refresh_s,
        metrics,
        clock,
    )


def _shared(settings: ApiSettings, redis: RedisLink | None) -> RedisAnswers | None:
    if redis is None or not settings.cache_mb:
        return None
    database = clickhouse_arguments(settings.clickhouse_url)
    place = (database["host"], database["port"], database["database"])
    return RedisAnswers(redis, settings.seal_key, f"{version('sms-analytics')} {place}")


def _cors(origins: Sequence[str]) -> dict[str, Any]:
    """Browsers of these origins may ask with a token and read the headers that matter."""
    return {
        "allow_origins": list(origins),
        "allow_methods": ["GET", "PUT", "DELETE"],
        "allow_headers": ["Authorization", "If-None-Match", "X-Request-ID"],
        "expose_headers": [
            "Content-Disposition",
            "ETag",
            "RateLimit-Limit",
            "RateLimit-Remaining",
            "RateLimit-Reset",
            "Retry-After",
            "X-Request-ID",
        ],
    }
