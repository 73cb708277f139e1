"""The public routes at the root: health, readiness, metrics and documentation."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from query_api.backend import WithBackend
from query_api.problems import MEDIA_TYPE
from query_api.routes.documented import PUBLIC_ERRORS
from schemas.api.health import Health, Readiness, Unreadiness

router = APIRouter(tags=["operations"], responses=PUBLIC_ERRORS)

_UNREADY: dict[int | str, dict[str, Any]] = {
    503: {
        "description": "Not ready, and why",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Unreadiness"}}},
    }
}


@router.get("/healthz", summary="Does the process live?")
async def healthz() -> Health:
    """200 as long as the process answers; nothing behind it is asked."""
    return Health()


@router.get(
    "/readyz", summary="Would answers be current?", response_model=Readiness, responses=_UNREADY
)
async def readyz(request: Request, backend: WithBackend) -> JSONResponse | Readiness:
    """ClickHouse, migrations, workers, their lag, records that stop a worker, rates, Redis, issuer.

    `degraded` is told and does not make it unready: answers are right, and something wants care.
    """
    checks = list(await backend.probe.checks())
    failed = [check for check in checks if check.status not in ("ok", "degraded")]
    if not failed:
        return Readiness(checks=checks)
    problem = Unreadiness(
        title="Service Unavailable",
        status=503,
        detail="; ".join(f"{check.name}: {check.detail}" for check in failed),
        instance=request.url.path,
        request_id=request.scope["request_id"],
        checks=checks,
    )
    headers = {"Retry-After": "5"}
    return JSONResponse(problem.model_dump(), 503, headers, media_type=MEDIA_TYPE)


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def metrics(backend: WithBackend) -> Response:
    """Requests, query times and pool use in Prometheus' text format."""
    # Some are what the checks find; asked at most once a second.
    await backend.probe.checks()
    return Response(generate_latest(backend.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """Swagger UI; its page may load the UI and run its one script, nothing else."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json", title=request.app.title, swagger_favicon_url="data:,"
    )
    page.headers["Content-Security-Policy"] = _policy(bytes(page.body).decode())
    return page


def _policy(html: str) -> str:
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src https://cdn.jsdelivr.net {hashes}; "
        "style-src https://cdn.jsdelivr.net 'unsafe-inline'; connect-src 'self'; "
        "img-src data:; frame-ancestors 'none'"
    )


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
