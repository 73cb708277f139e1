"""`/me`: what a user may ask about himself. The user is the token's, from nowhere else."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from query_api.access import as_user
from query_api.backend import WithBackend
from query_api.parameters import RangeParameters
from query_api.routes.documented import ERRORS
from query_api.tokens import Principal
from query_api.user_analytics import user_analytics
from schemas.api.usage import UserAnalytics

router = APIRouter(tags=["me"], dependencies=[Depends(as_user)], responses=ERRORS)


@router.get("/api/v1/analytics/me/sms-analytics", summary="My usage")
async def my_sms_analytics(
    principal: Annotated[Principal, Depends(as_user)],
    backend: WithBackend,
    parameters: Annotated[RangeParameters, Query()],
) -> UserAnalytics:
    """Totals, patterns, trend against the previous period, delivery, errors and breakdowns."""
    now = backend.clock()
    return await user_analytics(
        backend.pool,
        principal.user_id,
        parameters.period(now),
        now,
        backend.settings.message_retention_days,
    )
