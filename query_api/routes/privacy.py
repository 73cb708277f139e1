"""A user's rights over his data: consent, export, erasure."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from query_api import questions, reports
from query_api.access import as_admin, as_user
from query_api.backend import WithBackend
from query_api.bodies import documented_body, json_body
from query_api.freshness import freshness
from query_api.parameters import UserIdPath
from query_api.period import Period
from query_api.privacy import consent_of, decide, erase
from query_api.routes.documented import BODY, ERRORS, FILES
from query_api.routes.reports import as_download
from query_api.tokens import Principal
from query_api.zones import BUCKET_S, DAY_S, zone_of
from schemas.api.privacy import ConsentDecision, ConsentState, ErasureReceipt

router = APIRouter(tags=["privacy"], responses=ERRORS)

_CONSENT = "/api/v1/analytics/me/consent"


@router.get(_CONSENT, summary="My consent")
async def my_consent(
    principal: Annotated[Principal, Depends(as_user)], backend: WithBackend
) -> ConsentState:
    """Granted unless it was withdrawn."""
    return await consent_of(backend.pool, principal.user_id)


@router.put(
    _CONSENT,
    summary="Grant or withdraw my consent",
    responses=BODY,
    openapi_extra=documented_body(ConsentDecision),
)
async def decide_my_consent(
    principal: Annotated[Principal, Depends(as_user)],
    backend: WithBackend,
    decision: Annotated[ConsentDecision, Depends(json_body(ConsentDecision, as_user))],
) -> ConsentState:
    """Takes effect for messages that are folded later; without it they count for nobody."""
    return await decide(
        backend.pool, backend.publisher, principal.user_id, decision.analytics, backend.clock()
    )


@router.get(
    "/api/v1/analytics/me/data-export",
    summary="Everything that is kept about me",
    response_class=StreamingResponse,
    responses=FILES,
)
async def my_data_export(
    principal: Annotated[Principal, Depends(as_user)], backend: WithBackend
) -> StreamingResponse:
    """Consent, hashes of own numbers, and every message within retention, as one JSON file."""
    now, user_id = backend.clock(), principal.user_id
    days = backend.settings.message_retention_days
    start = int(now - days * DAY_S) // BUCKET_S * BUCKET_S
    period = Period("all", start, int(now // BUCKET_S + 1) * BUCKET_S, zone_of("UTC"))
    fresh = freshness(await questions.source_progress(backend.pool))
    consent = await consent_of(backend.pool, user_id)
    phones = await questions.phones_of_users(backend.pool, [user_id])
    head = reports.head_of(user_id, period, now, fresh.data_as_of) | {
        "consent": consent.model_dump(mode="json"),
        "phone_hashes": [f"{value:016x}" for row in phones for value in row["phone_hashes"]],
    }
    report = reports.message_report(user_id, period, "json", head)
    return await as_download(backend, report, reports.file_name("sms-data", period, "json"))


@router.delete("/api/v1/analytics/me/data", summary="Erase my data", status_code=202)
async def erase_my_data(
    principal: Annotated[Principal, Depends(as_user)], backend: WithBackend
) -> ErasureReceipt:
    """Everything that was folded until now; later messages count normally."""
    user_id = principal.user_id
    return await erase(backend.pool, backend.publisher, user_id, user_id, backend.clock())


@router.delete(
    "/api/v1/analytics/admin/users/{user_id}/data", summary="Erase a user's data", status_code=202
)
async def erase_user_data(
    user_id: UserIdPath,
    principal: Annotated[Principal, Depends(as_admin)],
    backend: WithBackend,
) -> ErasureReceipt:
    """As the user's own request."""
    return await erase(backend.pool, backend.publisher, user_id, principal.user_id, backend.clock())
