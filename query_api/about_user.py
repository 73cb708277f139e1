"""From a question about one user over a range to its response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from pydantic import BaseModel

from query_api.answering import answer
from query_api.backend import Backend
from query_api.freshness import Freshness
from query_api.known import Known, past_end, today_start
from query_api.parameters import RangeParameters
from query_api.period import Period
from query_api.stamps import Reading
from query_api.user_usage import UserUsage

Shape = Callable[[UserUsage, int, Period, Freshness, float, int], Awaitable[BaseModel]]
"""What computes an answer about a user: from what, of whom, over which period, how fresh the tables
are, now in epoch seconds, and how many days totals are kept."""


async def answer_about_user(
    backend: Backend, request: Request, user_id: int, parameters: RangeParameters, shape: Shape
) -> Response:
    """The response to a question about one user over a range; `shape` computes the answer. Raises
    `UnavailableError`."""
    now = backend.clock()
    parameters.period(now)  # Refuses what is no range.

    def make(reading: Reading, now: float) -> Awaitable[BaseModel]:
        marks = (reading.past, reading.lately, reading.latest)
        days = (past_end(now), today_start(now))
        user = Known(user_id, *marks, reading.erased_before, *days)
        asked = UserUsage(backend.tables, backend.numbers, user, reading.fresh)
        retention = backend.settings.rollup_retention_days
        return shape(asked, user_id, parameters.period(now), reading.fresh, now, retention)

    return await answer(backend, request, user_id, now, make)
