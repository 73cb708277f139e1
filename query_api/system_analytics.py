"""The answer of `/admin/sms-analytics/system`: asks its questions at once, shapes the rows."""

from __future__ import annotations

from dataclasses import dataclass

from query_api import anomalies, slots
from query_api.at_once import at_once
from query_api.breakdown import average_processing_ms, cut
from query_api.comparison import TOP_SPENDERS, Comparison, in_order, spenders, user_usage
from query_api.costs import cost_breakdown
from query_api.freshness import Freshness
from query_api.hours import Costs, history, history_start, hours_of
from query_api.period import WIDTH_S, Period, granularity_of
from query_api.projection import projection_of
from query_api.questions import Rows
from query_api.system_usage import SystemUsage
from query_api.trend import Totals, delivery, points
from query_api.user_analytics import period_of
from query_api.zones import HOUR_S, LocalClock, clock_over, utc
from schemas.api import system


@dataclass(frozen=True)
class _Rows:
    """What the questions answered; `comparison`'s page has one row more where another follows."""

    trend: Rows
    breakdown: Rows
    comparison: Rows
    hourly_cost: Costs


async def system_analytics(
    asked: SystemUsage, period: Period, comparison: Comparison, fresh: Freshness, now: float
) -> system.SystemAnalytics:
    """The system's usage in `period`, as the tables know it at `now`; `fresh` was read before."""
    clock = clock_over(period.zone, period.start, period.end)
    rows = await _ask(asked, period, clock, fresh, comparison, now)
    total = Totals.of(rows.trend)
    page = in_order(rows.comparison, "place")
    return system.SystemAnalytics(
        time_range=period.time_range,
        period=period_of(period, clock),
        system_metrics=_metrics(rows, total, period, clock),
        user_comparison=user_usage(comparison.visible(page), total.messages),
        next_cursor=comparison.next_cursor(page),
        cost_analysis=_cost_analysis(rows, total, period, now),
        generated_at=utc(now),
        data_as_of=fresh.data_as_of,
    )


async def _ask(
    asked: SystemUsage,
    period: Period,
    clock: LocalClock,
    fresh: Freshness,
    comparison: Comparison,
    now: float,
) -> _Rows:
    start, end = period.start, period.end
    bounds = slots.bounds_of(period, now)
    long_clock = clock_over(period.zone, min(bounds), end)
    found, breakdown, users = await at_once(
        asked.slots(long_clock, bounds),
        asked.breakdown(start, end),
        asked.comparison(start, end, comparison.page, TOP_SPENDERS),
    )
    point_s = WIDTH_S[granularity_of(period)]
    return _Rows(
        slots.trend(found, clock, point_s, fresh.overdue_before),
        breakdown,
        users,
        slots.costs(found, long_clock, HOUR_S),
    )


def _metrics(rows: _Rows, total: Totals, period: Period, clock: LocalClock) -> system.SystemMetrics:
    granularity = granularity_of(period)
    return system.SystemMetrics(
        total_messages=total.messages,
        inbound_messages=total.inbound,
        outbound_messages=total.outbound,
        total_segments=total.segments,
        total_message_length=total.body_length,
        active_users=rows.comparison[0]["users"] if rows.comparison else 0,
        success_rate=total.success_rate,
        average_processing_time_ms=average_processing_ms(rows.breakdown),
        delivery=delivery(total),
        by_country=cut(rows.breakdown, "country"),
        granularity=granularity,
        points=points(rows.trend, clock, granularity),
    )


def _cost_analysis(rows: _Rows, total: Totals, period: Period, now: float) -> system.CostAnalysis:
    clock = clock_over(period.zone, history_start(period, now), period.end)
    hours = hours_of(rows.hourly_cost, clock)
    return system.CostAnalysis(
        **vars(cost_breakdown(rows.breakdown)),
        projection=projection_of(rows.hourly_cost, period, now),
        top_spenders=spenders(in_order(rows.comparison, "spender"), total.cost_micros),
        anomalies=anomalies.anomalies(history(hours, now), clock, period.start),
        anomaly_method=anomalies.METHOD,
    )
