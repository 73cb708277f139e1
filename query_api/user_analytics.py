"""The answer of `…/sms-analytics` for one user: asks its questions at once, shapes the rows."""

from __future__ import annotations

from dataclasses import dataclass

from query_api import slots
from query_api.breakdown import (
    average_processing_ms,
    error_code_counts,
    message_breakdown,
    processing_time,
    top_countries,
)
from query_api.freshness import Freshness
from query_api.measures import change_ratio, direction
from query_api.period import WIDTH_S, Period, granularity_of, previous_range
from query_api.questions import Rows
from query_api.slots import Slots
from query_api.trend import Totals, delivery, points
from query_api.user_usage import UserUsage
from query_api.zones import LocalClock, clock_over, utc
from schemas.api import usage


@dataclass(frozen=True)
class _Rows:
    """What the questions answered; `previous_messages` is None beyond retention."""

    trend: Rows
    rhythm: Rows
    breakdown: Rows
    previous_messages: int | None


async def user_analytics(
    asked: UserUsage,
    user_id: int,
    period: Period,
    fresh: Freshness,
    now: float,
    retention_days: int,
) -> usage.UserAnalytics:
    """One user's usage in `period`, as the tables know it at `now`.

    `fresh` was read before: only what was in the tables then is surely in the totals.
    """
    clock = clock_over(period.zone, period.start, period.end)
    previous = previous_range(period, now, retention_days)
    found, breakdown = await totals_of(asked, period, previous, now, with_times=True)
    width = WIDTH_S[granularity_of(period)]
    rows = _Rows(
        slots.trend(found, clock, width, fresh.overdue_before),
        slots.rhythm(found, clock),
        breakdown,
        None if previous is None else int(found.between(*previous).column("messages").sum()),
    )
    total = Totals.of(rows.trend)
    return usage.UserAnalytics(
        user_id=user_id,
        time_range=period.time_range,
        period=period_of(period, clock),
        usage_summary=_summary(rows, total),
        usage_trends=_trends(rows, total, period, clock, previous),
        performance_metrics=_performance(rows, total),
        message_breakdown=message_breakdown(rows.breakdown),
        generated_at=utc(now),
        data_as_of=fresh.data_as_of,
    )


async def totals_of(
    asked: UserUsage,
    period: Period,
    previous: tuple[int, int] | None,
    now: float,
    *,
    with_times: bool,
) -> tuple[Slots, Rows]:
    """The user's totals over time in all that answers about a period look at: the period, the one
    before, the history of a projection; and the period's counters by direction, type and country.
    Usage and costs ask for the same, which is kept, but for the past's processing times."""
    bounds = (*(previous or ()), *slots.bounds_of(period, now))
    clock = clock_over(period.zone, min(bounds), period.end)
    return await asked.totals(clock, bounds, period.start, period.end, with_times=with_times)


def period_of(period: Period, clock: LocalClock) -> usage.Period:
    """What an answer covers, in local time."""
    return usage.Period(
        start=clock.moment(period.start),
        end=clock.moment(period.end),
        timezone=period.zone.key,
    )


def _summary(rows: _Rows, total: Totals) -> usage.UsageSummary:
    return usage.UsageSummary(
        total_messages=total.messages,
        inbound_messages=total.inbound,
        outbound_messages=total.outbound,
        total_segments=total.segments,
        success_rate=total.success_rate,
        average_processing_time_ms=average_processing_ms(rows.breakdown),
        total_message_length=total.body_length,
        usage_patterns=_patterns(rows),
    )


def _patterns(rows: _Rows) -> usage.UsagePatterns:
    hours, weekdays = [0] * 24, [0] * 7
    for row in rows.rhythm:
        hours[row["hour"]] += row["messages"]
        weekdays[row["weekday"]] += row["messages"]
    return usage.UsagePatterns(
        hourly_distribution=hours,
        weekday_distribution=weekdays,
        peak_hour=_peak(hours),
        peak_weekday=_peak(weekdays),
        top_countries=top_countries(rows.breakdown),
    )


def _peak(counts: list[int]) -> int | None:
    """The earliest place of the largest count; None when nothing was counted."""
    return counts.index(max(counts)) if any(counts) else None


def _trends(
    rows: _Rows,
    total: Totals,
    period: Period,
    clock: LocalClock,
    previous: tuple[int, int] | None,
) -> usage.UsageTrends:
    granularity = granularity_of(period)
    before = rows.previous_messages
    return usage.UsageTrends(
        granularity=granularity,
        points=points(rows.trend, clock, granularity),
        previous_period=None
        if previous is None or before is None
        else usage.PreviousUsage(
            start=clock.moment(previous[0]), end=clock.moment(previous[1]), total_messages=before
        ),
        change_ratio=None if before is None else change_ratio(total.messages, before),
        direction=None if before is None else direction(total.messages, before),
    )


def _performance(rows: _Rows, total: Totals) -> usage.PerformanceMetrics:
    return usage.PerformanceMetrics(
        processing_time_ms=processing_time(rows.breakdown),
        success_rate=total.success_rate,
        delivery=delivery(total),
        error_codes=error_code_counts(rows.breakdown),
    )
