"""A user's rights over his data: consent, export, erasure."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from query_api import questions, reports
from query_api.access import as_admin, as_user
from query_api.backend import Backend, WithBackend
from query_api.bodies import documented_body, json_body
from query_api.freshness import freshness
from query_api.parameters import UserIdPath
from query_api.period import Period
from query_api.privacy import Retention, consent_of, decide, erase, kept_of, receipts_of
from query_api.routes.documented import BODY, ERRORS, FILES
from query_api.routes.reports import as_download, owner_of
from query_api.shown import Shown
from query_api.stamps import STALE_S
from query_api.tokens import Principal
from query_api.zones import BUCKET_S, DAY_S, zone_of
from schemas.api.privacy import ConsentDecision, ConsentState, ErasureReceipt, ErasureReceipts

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
    """Decisions, requests for erasure, hashes of own numbers, daily totals, and every message with
    its timeline (`rows`), within retention, as one JSON file.
    """
    now, user_id = backend.clock(), principal.user_id
    settings = backend.settings
    days = max(settings.message_retention_days, settings.rollup_retention_days)
    start = int(now - days * DAY_S) // BUCKET_S * BUCKET_S
    period = Period("all", start, int(now // BUCKET_S + 1) * BUCKET_S, zone_of("UTC"))
    fresh = freshness(await questions.source_progress(backend.pool))
    owner = await owner_of(backend, user_id)
    shown = Shown(backend.pool, owner.erased_before)
    head = reports.head_of(user_id, period, now, fresh.data_as_of)
    head |= await kept_of(shown, user_id, period, _retention(backend))
    report = reports.data_export(owner, period, head)
    return await as_download(backend, report, reports.file_name("sms-data", period, "json"))


@router.delete("/api/v1/analytics/me/data", summary="Erase my data", status_code=202)
async def erase_my_data(
    principal: Annotated[Principal, Depends(as_user)], backend: WithBackend
) -> ErasureReceipt:
    """Everything that was published until now, hidden from this answer on; later messages count."""
    return await _erase(backend, principal.user_id, principal.user_id)


@router.delete(
    "/api/v1/analytics/admin/users/{user_id}/data", summary="Erase a user's data", status_code=202
)
async def erase_user_data(
    user_id: UserIdPath,
    principal: Annotated[Principal, Depends(as_admin)],
    backend: WithBackend,
) -> ErasureReceipt:
    """As the user's own request."""
    return await _erase(backend, user_id, principal.user_id)


async def _erase(backend: Backend, user_id: int, requested_by: int) -> ErasureReceipt:
    receipt_id = await erase(
        backend.pool, backend.publisher, user_id, requested_by, backend.clock()
    )
    # This process reads anew; the answer waits until every other one has, too.
    backend.stamps.forget()
    await asyncio.sleep(STALE_S)
    receipts = await receipts_of(backend.pool, user_id, _retention(backend))
    return next(each for each in receipts.erasures if each.receipt_id == receipt_id)


@router.get("/api/v1/analytics/me/erasures", summary="What became of my requests for erasure")
async def my_erasures(
    principal: Annotated[Principal, Depends(as_user)], backend: WithBackend
) -> ErasureReceipts:
    """What was removed, and when it is gone from tables, files and topics."""
    return await receipts_of(backend.pool, principal.user_id, _retention(backend))


@router.get(
    "/api/v1/analytics/admin/users/{user_id}/erasures",
    summary="What became of a user's requests for erasure",
    dependencies=[Depends(as_admin)],
)
async def user_erasures(user_id: UserIdPath, backend: WithBackend) -> ErasureReceipts:
    """The answer that the user gets from `/me/erasures`."""
    return await receipts_of(backend.pool, user_id, _retention(backend))


def _retention(backend: Backend) -> Retention:
    settings = backend.settings
    return Retention(settings.topic_retention_days, settings.dead_letter_retention_days)
