"""The public routes at the root: health, readiness, metrics and documentation."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from query_api.backend import WithBackend
from schemas.api.health import Health

router = APIRouter(tags=["operations"])


@router.get("/healthz", summary="Does the process live?")
async def healthz() -> Health:
    """200 as long as the process answers; nothing behind it is asked."""
    return Health()


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def metrics(backend: WithBackend) -> Response:
    """Requests, query times and pool use in Prometheus' text format."""
    return Response(generate_latest(backend.metrics.registry), media_type=CONTENT_TYPE_LATEST)
