"""`/admin`: the whole system, and single users for support staff."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from query_api.about_user import answer_about_user
from query_api.access import as_admin
from query_api.administration import audit_page, user_page
from query_api.answering import answer
from query_api.backend import WithBackend
from query_api.comparison import comparison_of
from query_api.parameters import (
    AuditParameters,
    PerformanceParameters,
    RangeParameters,
    SystemParameters,
    UserIdPath,
    UserSearchParameters,
)
from query_api.performance import system_performance
from query_api.routes.documented import ERRORS, NOT_MODIFIED
from query_api.routes.judged import JudgedOnce
from query_api.stamps import Reading
from query_api.system_analytics import system_analytics
from query_api.system_usage import SystemUsage
from query_api.user_analytics import user_analytics
from query_api.user_costs import user_costs
from schemas.api.admin import AuditPage, UserPage
from schemas.api.costs import UserCosts
from schemas.api.performance import SystemPerformance
from schemas.api.system import SystemAnalytics
from schemas.api.usage import UserAnalytics

answers = APIRouter(
    tags=["admin"],
    dependencies=[Depends(as_admin)],
    responses=ERRORS | NOT_MODIFIED,
    route_class=JudgedOnce,
)
router = APIRouter(tags=["admin"], dependencies=[Depends(as_admin)], responses=ERRORS)


@answers.get(
    "/api/v1/analytics/admin/sms-analytics/system",
    summary="The system's usage",
    response_model=SystemAnalytics,
)
async def system_sms_analytics(
    request: Request,
    backend: WithBackend,
    parameters: Annotated[SystemParameters, Query()],
) -> Response:
    """System totals and trend, users side by side, cost with projection and anomalies."""
    now = backend.clock()
    comparison = comparison_of(parameters, backend.signer)
    parameters.period(now)  # Refuses what is no range.

    def make(reading: Reading, now: float) -> Awaitable[SystemAnalytics]:
        period = parameters.period(now)
        has_erased = backend.stamps.has_erased
        asked = SystemUsage(backend.pool, backend.numbers, reading, now, has_erased)
        return system_analytics(asked, period, comparison, reading.fresh, now)

    return await answer(backend, request, None, now, make)


@answers.get(
    "/api/v1/analytics/admin/users/{user_id}/sms-analytics",
    summary="A user's usage",
    response_model=UserAnalytics,
)
async def user_sms_analytics(
    request: Request,
    user_id: UserIdPath,
    backend: WithBackend,
    parameters: Annotated[RangeParameters, Query()],
) -> Response:
    """The answer that the user gets from `/me/sms-analytics`."""
    return await answer_about_user(backend, request, user_id, parameters, user_analytics)


@answers.get(
    "/api/v1/analytics/admin/users/{user_id}/sms-costs",
    summary="A user's costs",
    response_model=UserCosts,
)
async def user_sms_costs(
    request: Request,
    user_id: UserIdPath,
    backend: WithBackend,
    parameters: Annotated[RangeParameters, Query()],
) -> Response:
    """The answer that the user gets from `/me/sms-costs`."""
    return await answer_about_user(backend, request, user_id, parameters, user_costs)


@router.get("/api/v1/analytics/admin/sms-performance", summary="The system right now")
async def system_sms_performance(
    backend: WithBackend, parameters: Annotated[PerformanceParameters, Query()]
) -> SystemPerformance:
    """The last hours by the minute, and the health of the parts; `absent` says what is missing."""
    return await system_performance(
        backend.pool, backend.probe, parameters.window, parameters.zone(), backend.clock()
    )


@router.get("/api/v1/analytics/admin/audit", summary="The audit log")
async def audit_log(
    backend: WithBackend, parameters: Annotated[AuditParameters, Query()]
) -> AuditPage:
    """Admin requests, exports and refusals, newest first; reading it is itself audited."""
    return await audit_page(backend.pool, parameters, backend.signer, backend.clock())


@router.get("/api/v1/analytics/admin/users", summary="Users")
async def known_users(
    backend: WithBackend, parameters: Annotated[UserSearchParameters, Query()]
) -> UserPage:
    """Users with usage, the most recently active first; by id, or by a number of theirs."""
    key = backend.settings.privacy_key
    return await user_page(backend.pool, parameters, backend.signer, key, backend.clock())
