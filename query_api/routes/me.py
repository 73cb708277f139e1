"""`/me`: what a user may ask about himself. The user is the token's, from nowhere else."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from query_api.about_user import answer_about_user
from query_api.access import as_user
from query_api.answering import shown_of
from query_api.backend import WithBackend
from query_api.messages import message_detail, message_page, search_of
from query_api.parameters import MessageParameters, MessageSidPath, RangeParameters
from query_api.routes.documented import ERRORS, NOT_FOUND, NOT_MODIFIED
from query_api.routes.judged import JudgedOnce
from query_api.tokens import Principal
from query_api.user_analytics import user_analytics
from query_api.user_costs import user_costs
from schemas.api.costs import UserCosts
from schemas.api.messages import MessageDetail, MessagePage
from schemas.api.usage import UserAnalytics

answers = APIRouter(
    tags=["me"],
    dependencies=[Depends(as_user)],
    responses=ERRORS | NOT_MODIFIED,
    route_class=JudgedOnce,
)
router = APIRouter(tags=["me"], dependencies=[Depends(as_user)], responses=ERRORS)


@answers.get(
    "/api/v1/analytics/me/sms-analytics",
    summary="My usage",
    response_model=UserAnalytics,
)
async def my_sms_analytics(
    principal: Annotated[Principal, Depends(as_user)],
    request: Request,
    backend: WithBackend,
    parameters: Annotated[RangeParameters, Query()],
) -> Response:
    """Totals, patterns, trend against the previous period, delivery, errors and breakdowns."""
    return await answer_about_user(backend, request, principal.user_id, parameters, user_analytics)


@answers.get(
    "/api/v1/analytics/me/sms-costs",
    summary="My costs",
    response_model=UserCosts,
)
async def my_sms_costs(
    principal: Annotated[Principal, Depends(as_user)],
    request: Request,
    backend: WithBackend,
    parameters: Annotated[RangeParameters, Query()],
) -> Response:
    """Where the money went, the trend with a projection, and ways to spend less."""
    return await answer_about_user(backend, request, principal.user_id, parameters, user_costs)


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
    asker = await shown_of(backend, principal.user_id)
    return await message_page(asker, search, backend.signer, now)


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
    asker = await shown_of(backend, principal.user_id)
    return await message_detail(asker, principal.user_id, message_sid, backend.clock())
