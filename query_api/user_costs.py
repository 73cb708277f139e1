"""The answer of `…/sms-costs` for one user: asks its questions at once, shapes the rows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from query_api import questions
from query_api.costs import cost_breakdown
from query_api.freshness import Freshness
from query_api.hours import history_start
from query_api.measures import change_ratio, direction, usd
from query_api.optimization import LEAST_FAILURES, TOP_NUMBERS, Findings, optimization
from query_api.period import WIDTH_S, Period, granularity_of, previous_range
from query_api.projection import projection_of
from query_api.questions import Asker, Rows
from query_api.trend import points
from query_api.user_analytics import period_of
from query_api.zones import LocalClock, clock_over, utc
from schemas.api import costs


@dataclass(frozen=True)
class _Rows:
    """What the questions answered; `previous` has no row beyond retention."""

    trend: Rows
    hourly_cost: Rows
    breakdown: Rows
    error_codes: Rows
    text_savings: Rows
    empty_mms: Rows
    failing_numbers: Rows
    previous: Rows


async def user_costs(
    asker: Asker, user_id: int, period: Period, fresh: Freshness, now: float, retention_days: int
) -> costs.UserCosts:
    """One user's cost in `period`, as the tables know it at `now`; `fresh` was read before."""
    clock = clock_over(period.zone, period.start, period.end)
    previous = previous_range(period, now, retention_days)
    rows = await _ask(asker, user_id, period, clock, previous)
    found = Findings(
        rows.breakdown, rows.error_codes, rows.text_savings, rows.empty_mms, rows.failing_numbers
    )
    advice = optimization(found)
    breakdown = cost_breakdown(rows.breakdown)
    return costs.UserCosts(
        user_id=user_id,
        time_range=period.time_range,
        period=period_of(period, clock),
        cost_breakdown=breakdown,
        cost_trends=_trends(rows, breakdown.total_cost_micros, period, clock, previous, now),
        optimization_tips=[one.message for one in advice],
        optimization=advice,
        generated_at=utc(now),
        data_as_of=fresh.data_as_of,
    )


async def _ask(
    asker: Asker,
    user_id: int,
    period: Period,
    clock: LocalClock,
    previous: tuple[int, int] | None,
) -> _Rows:
    span = (user_id, period.start, period.end)
    width = WIDTH_S[granularity_of(period)]
    long_clock = clock_over(period.zone, history_start(period), period.end)
    return _Rows(
        *await asyncio.gather(
            questions.user_trend(asker, user_id, clock, width, 0),
            questions.user_hourly_cost(asker, user_id, long_clock),
            questions.user_breakdown(asker, *span),
            questions.user_error_codes(asker, *span),
            questions.user_text_savings(asker, *span),
            questions.user_empty_mms(asker, *span),
            questions.user_failing_numbers(asker, *span, LEAST_FAILURES, TOP_NUMBERS),
            _previous_total(asker, user_id, previous),
        )
    )


async def _previous_total(asker: Asker, user_id: int, previous: tuple[int, int] | None) -> Rows:
    return [] if previous is None else await questions.user_total(asker, user_id, *previous)


def _trends(
    rows: _Rows,
    total: int,
    period: Period,
    clock: LocalClock,
    previous: tuple[int, int] | None,
    now: float,
) -> costs.CostTrends:
    granularity = granularity_of(period)
    before = rows.previous[0]["cost_micros"] if rows.previous else None
    return costs.CostTrends(
        granularity=granularity,
        points=[
            costs.CostPoint(
                start=point.start, cost_usd=point.cost_usd, cost_micros=point.cost_micros
            )
            for point in points(rows.trend, clock, granularity)
        ],
        previous_period=None
        if previous is None or before is None
        else costs.PreviousCost(
            start=clock.moment(previous[0]),
            end=clock.moment(previous[1]),
            total_cost_usd=usd(before),
            total_cost_micros=before,
        ),
        change_ratio=None if before is None else change_ratio(total, before),
        direction=None if before is None else direction(total, before),
        projection=projection_of(rows.hourly_cost, period, now),
    )
