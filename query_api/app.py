"""The query API as an ASGI app: `uvicorn --factory query_api.app:create_app`.

The last station of the flow: reads the rollups that the workers write, answers dashboards.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from query_api import logs, problems
from query_api.access import forbid_open_routes
from query_api.backend import Backend
from query_api.clickhouse import ClickHousePool
from query_api.edge import Edge
from query_api.metrics import Metrics
from query_api.routes import me, root
from query_api.settings import ApiSettings, load_settings

MAX_BODY_BYTES = 64 * 1024


def create_app(
    settings: ApiSettings | None = None, clock: Callable[[], float] = time.time
) -> FastAPI:
    """The app; reads `SMS_…` when no settings are given and raises `InvalidSettingsError`."""
    settings = settings or load_settings()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        logs.configure()
        pool = ClickHousePool(settings, metrics)
        app.state.backend = Backend(settings, metrics, pool, clock)
        yield
        pool.close()

    app = FastAPI(
        title="SMS usage analytics",
        summary="Usage, delivery and cost of SMS and MMS, from exact rollups.",
        version=version("sms-analytics"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        max_body_size=MAX_BODY_BYTES,
    )
    app.add_middleware(Edge, metrics=metrics)
    problems.install(app)
    app.include_router(root.router)
    app.include_router(me.router)
    forbid_open_routes(app)
    return app
