"""The answer of `…/sms-costs` for one user: asks its questions at once, shapes the rows."""

from __future__ import annotations

from dataclasses import dataclass

from query_api import slots
from query_api.at_once import at_once
from query_api.costs import cost_breakdown
from query_api.freshness import Freshness
from query_api.hours import Costs, history_start
from query_api.measures import change_ratio, direction, usd
from query_api.optimization import LEAST_FAILURES, TOP_NUMBERS, Findings, optimization
from query_api.period import Period, granularity_of, previous_range
from query_api.projection import projection_of
from query_api.questions import Rows
from query_api.slots import Slots
from query_api.trend import costs_of_points
from query_api.user_analytics import period_of, totals_of
from query_api.user_usage import UserUsage
from query_api.zones import BUCKET_S, HOUR_S, LocalClock, clock_over, utc
from schemas.api import costs


@dataclass(frozen=True)
class _Spent:
    """What the totals say: their rows by direction, type and country, and two parts of the answer
    that are made from them."""

    rows: Rows
    breakdown: costs.CostBreakdown
    trends: costs.CostTrends


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
    # What can be made of the totals is made while savings, which take longest, are still read.
    spent, savings = await at_once(
        _spent(asked, period, clock, previous, now),
        asked.savings(period.start, period.end, LEAST_FAILURES, TOP_NUMBERS),
    )
    advice = optimization(Findings(spent.rows, savings))
    return costs.UserCosts(
        user_id=user_id,
        time_range=period.time_range,
        period=period_of(period, clock),
        cost_breakdown=spent.breakdown,
        cost_trends=spent.trends,
        optimization_tips=[one.message for one in advice],
        optimization=advice,
        generated_at=utc(now),
        data_as_of=fresh.data_as_of,
    )


async def _spent(
    asked: UserUsage,
    period: Period,
    clock: LocalClock,
    previous: tuple[int, int] | None,
    now: float,
) -> _Spent:
    found, rows = await totals_of(asked, period, previous, now, with_times=False)
    long_clock = clock_over(period.zone, history_start(period, now), period.end)
    cost = slots.costs(found, long_clock, _width(period, clock))
    before = None if previous is None else _previous(found, *previous, clock)
    breakdown = cost_breakdown(rows)
    trends = _trends(cost, before, breakdown.total_cost_micros, period, clock, now)
    return _Spent(rows, breakdown, trends)


def _width(period: Period, clock: LocalClock) -> int:
    """Hours serve the projection and the points, unless the range begins within one."""
    is_fine = granularity_of(period) == "15min" or clock.local(period.start) % HOUR_S
    return BUCKET_S if is_fine else HOUR_S


def _previous(found: Slots, start: int, end: int, clock: LocalClock) -> costs.PreviousCost:
    micros = int(found.between(start, end).column("cost_micros").sum())
    return costs.PreviousCost(
        start=clock.moment(start),
        end=clock.moment(end),
        total_cost_usd=usd(micros),
        total_cost_micros=micros,
    )


def _trends(
    cost: Costs,
    previous: costs.PreviousCost | None,
    total: int,
    period: Period,
    clock: LocalClock,
    now: float,
) -> costs.CostTrends:
    granularity = granularity_of(period)
    before = None if previous is None else previous.total_cost_micros
    return costs.CostTrends(
        granularity=granularity,
        points=[
            costs.CostPoint(start=clock.moment(start), cost_usd=usd(micros), cost_micros=micros)
            for start, micros in costs_of_points(cost, clock, granularity).items()
        ],
        previous_period=previous,
        change_ratio=None if before is None else change_ratio(total, before),
        direction=None if before is None else direction(total, before),
        projection=projection_of(cost, period, now),
    )
