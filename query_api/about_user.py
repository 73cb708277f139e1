"""From a question about one user over a range to its response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from pydantic import BaseModel

from query_api.answering import answer, name_of
from query_api.backend import Backend
from query_api.begun import Begun
from query_api.freshness import Freshness
from query_api.known import Known, past_end, today_start
from query_api.parameters import RangeParameters
from query_api.period import Period
from query_api.progress import Seen
from query_api.questions import ErasedBefore
from query_api.stamps import Reading
from query_api.user_usage import UserUsage

Shape = Callable[[UserUsage, int, Period, Freshness, float, int], Awaitable[BaseModel]]
"""What computes an answer about a user: from what, of whom, over which period, how fresh the tables
are, now in epoch seconds, and how many days totals are kept."""


async def answer_about_user(
    backend: Backend,
    request: Request,
    user_id: int,
    parameters: RangeParameters,
    shape: Shape,
    *,
    has_savings: bool = False,
) -> Response:
    """The response to a question about one user over a range; `shape` computes the answer, from
    what he could have saved too, or not. Raises `UnavailableError`."""
    now = backend.clock()
    period = parameters.period(now)  # Refuses what is no range.
    question = _Question(backend, user_id, parameters, shape)
    # An answer that another process may have, or that is computed ahead, is hardly computed now.
    is_new = not (backend.cache.is_shared or backend.warmer.knows(user_id, name_of(request)))
    if has_savings and is_new:
        question.begin(period, now)
    try:
        return await answer(backend, request, user_id, now, question.make)
    finally:
        question.end()


class _Question:
    """Computes its answer as often as it is asked; the first time from what was begun before."""

    def __init__(
        self, backend: Backend, user_id: int, parameters: RangeParameters, shape: Shape
    ) -> None:
        self._backend = backend
        self._user_id = user_id
        self._parameters = parameters
        self._shape = shape
        self._begun: tuple[Seen, Begun] | None = None
        self._is_used = False

    def begin(self, period: Period, now: float) -> None:
        """Begin to read savings where the user has to be looked up."""
        if seen := self._backend.stamps.seen(self._user_id):
            asked = self._usage(Reading(seen.progress.fresh, None), seen.erased_before, now)
            self._begun = seen, asked.begin_savings(period.start, period.end)

    def make(self, reading: Reading, now: float) -> Awaitable[BaseModel]:
        """The answer of `now`, from tables that are as `reading` says or newer."""
        erased_before = dict(self._backend.stamps.erased_before(self._user_id))
        asked = self._usage(reading, erased_before, now, self._good())
        period = self._parameters.period(now)
        retention = self._backend.settings.rollup_retention_days
        return self._shape(asked, self._user_id, period, reading.fresh, now, retention)

    def end(self) -> None:
        """Give up what was begun and is not needed any more."""
        if self._begun:
            self._begun[1].end()
            self._begun = None

    def _good(self) -> Begun | None:
        """What was begun, if it is what one would read now; else it is given up, unless an answer
        is being computed from it."""
        if self._begun and self._backend.stamps.holds(self._begun[0], self._user_id):
            self._is_used = True
            return self._begun[1]
        if not self._is_used:
            self.end()
        return None

    def _usage(
        self, reading: Reading, erased_before: ErasedBefore, now: float, begun: Begun | None = None
    ) -> UserUsage:
        marks = (reading.past, reading.lately, reading.stamp)
        days = (past_end(now), today_start(now))
        user = Known(self._user_id, *marks, erased_before, *days, reading.has_few)
        return UserUsage(self._backend.tables, self._backend.numbers, user, reading.fresh, begun)
