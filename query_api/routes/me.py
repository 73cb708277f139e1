"""`/me`: what a user may ask about himself. The user is the token's, from nowhere else."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from query_api.access import as_user
from query_api.answering import answer
from query_api.backend import WithBackend
from query_api.freshness import Freshness
from query_api.messages import message_detail, message_page, search_of
from query_api.parameters import MessageParameters, MessageSidPath, RangeParameters
from query_api.routes.documented import ERRORS, NOT_FOUND, NOT_MODIFIED
from query_api.tokens import Principal
from query_api.user_analytics import user_analytics
from query_api.user_costs import user_costs
from schemas.api.costs import UserCosts
from schemas.api.messages import MessageDetail, MessagePage
from schemas.api.usage import UserAnalytics

router = APIRouter(tags=["me"], dependencies=[Depends(as_user)], responses=ERRORS)


@router.get(
    "/api/v1/analytics/me/sms-analytics",
    summary="My usage",
    response_model=UserAnalytics,
    responses=NOT_MODIFIED,
)
async def my_sms_analytics(
    principal: Annotated[Principal, Depends(as_user)],
    request: Request,
    backend: WithBackend,
    parameters: Annotated[RangeParameters, Query()],
) -> Response:
    """Totals, patterns, trend against the previous period, delivery, errors and breakdowns."""
    now = backend.clock()
    period, retention = parameters.period(now), backend.settings.message_retention_days

    def make(fresh: Freshness) -> Awaitable[UserAnalytics]:
        return user_analytics(backend.pool, principal.user_id, period, fresh, now, retention)

    return await answer(backend, request, principal.user_id, now, make)


@router.get(
    "/api/v1/analytics/me/sms-costs",
    summary="My costs",
    response_model=UserCosts,
    responses=NOT_MODIFIED,
)
async def my_sms_costs(
    principal: Annotated[Principal, Depends(as_user)],
    request: Request,
    backend: WithBackend,
    parameters: Annotated[RangeParameters, Query()],
) -> Response:
    """Where the money went, the trend with a projection, and ways to spend less."""
    now = backend.clock()
    period, retention = parameters.period(now), backend.settings.message_retention_days

    def make(fresh: Freshness) -> Awaitable[UserCosts]:
        return user_costs(backend.pool, principal.user_id, period, fresh, now, retention)

    return await answer(backend, request, principal.user_id, now, make)


@router.get("/api/v1/analytics/me/messages", summary="My messages")
async def my_messages(
    principal: Annotated[Principal, Depends(as_user)],
    backend: WithBackend,
    parameters: Annotated[MessageParameters, Query()],
) -> MessagePage:
    """The usage log, newest first, a page at a time."""
    now = backend.clock()
    retention = backend.settings.message_retention_days
    search = search_of(principal.user_id, parameters, backend.signer, now, retention)
    return await message_page(backend.pool, search, backend.signer, now)


# A sid may hold any character, so a slash too.
@router.get(
    "/api/v1/analytics/me/messages/{message_sid:path}",
    summary="One of my messages",
    responses=NOT_FOUND,
)
async def my_message(
    principal: Annotated[Principal, Depends(as_user)],
    backend: WithBackend,
    message_sid: MessageSidPath,
) -> MessageDetail:
    """The message with its timeline; 404 also where it is another user's."""
    return await message_detail(backend.pool, principal.user_id, message_sid, backend.clock())
