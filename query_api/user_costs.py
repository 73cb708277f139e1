"""The answer of `…/sms-costs` for one user: asks its questions at once, shapes the rows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from query_api import slots
from query_api.costs import cost_breakdown
from query_api.freshness import Freshness
from query_api.hours import Costs, history_start
from query_api.measures import change_ratio, direction, usd
from query_api.optimization import LEAST_FAILURES, TOP_NUMBERS, Findings, optimization
from query_api.period import Period, granularity_of, previous_range
from query_api.projection import projection_of
from query_api.questions import Row, Rows
from query_api.trend import costs_of_points
from query_api.user_analytics import period_of, totals_of
from query_api.user_usage import UserUsage
from query_api.zones import BUCKET_S, HOUR_S, LocalClock, clock_over, utc
from schemas.api import costs


@dataclass(frozen=True)
class _Rows:
    """What the questions answered; `previous_micros` is None beyond retention."""

    cost: Costs
    breakdown: Rows
    savings: Row
    previous_micros: int | None


async def user_costs(
    asked: UserUsage,
    user_id: int,
    period: Period,
    fresh: Freshness,
    now: float,
    retention_days: int,
) -> costs.UserCosts:
    """One user's cost in `period`, as the tables know it at `now`; `fresh` was read before."""
    clock = clock_over(period.zone, period.start, period.end)
    previous = previous_range(period, now, retention_days)
    rows = await _ask(asked, period, clock, previous, now)
    advice = optimization(Findings(rows.breakdown, rows.savings))
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
    asked: UserUsage,
    period: Period,
    clock: LocalClock,
    previous: tuple[int, int] | None,
    now: float,
) -> _Rows:
    (found, breakdown), savings = await asyncio.gather(
        totals_of(asked, period, previous, now, with_times=False),
        asked.savings(period.start, period.end, LEAST_FAILURES, TOP_NUMBERS),
    )
    long_clock = clock_over(period.zone, history_start(period, now), period.end)
    cost = slots.costs(found, long_clock, _width(period, clock))
    before = None if previous is None else int(found.between(*previous).column("cost_micros").sum())
    return _Rows(cost, breakdown, savings, before)


def _width(period: Period, clock: LocalClock) -> int:
    """Hours serve the projection and the points, unless the range begins within one."""
    is_fine = granularity_of(period) == "15min" or clock.local(period.start) % HOUR_S
    return BUCKET_S if is_fine else HOUR_S


def _trends(
    rows: _Rows,
    total: int,
    period: Period,
    clock: LocalClock,
    previous: tuple[int, int] | None,
    now: float,
) -> costs.CostTrends:
    granularity = granularity_of(period)
    before = rows.previous_micros
    return costs.CostTrends(
        granularity=granularity,
        points=[
            costs.CostPoint(start=clock.moment(start), cost_usd=usd(micros), cost_micros=micros)
            for start, micros in costs_of_points(rows.cost, clock, granularity).items()
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
        projection=projection_of(rows.cost, period, now),
    )
