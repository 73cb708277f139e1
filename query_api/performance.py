"""The answer of `/admin/sms-performance`: the last minutes, and the health of the parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from zoneinfo import ZoneInfo

from query_api import questions
from query_api.at_once import at_once
from query_api.freshness import freshness
from query_api.measures import ratio
from query_api.period import Period
from query_api.questions import Asker, Rows
from query_api.readiness import Lag, Probe, lag_of
from query_api.user_analytics import period_of
from query_api.zones import BUCKET_S, HOUR_S, clock_over, utc
from schemas.api.health import Check
from schemas.api.performance import Component, RealTimeMetrics, SystemHealth, SystemPerformance

Window = Literal["15m", "1h", "6h", "12h", "24h"]
SECONDS: dict[Window, int] = {
    "15m": 900,
    "1h": HOUR_S,
    "6h": 6 * HOUR_S,
    "12h": 12 * HOUR_S,
    "24h": 24 * HOUR_S,
}
ABSENT = ("sla_compliance", "alerts")
"""What the contract has in this answer and nothing measures yet."""
_MINUTE_S = 60
_US_PER_MS = 1000


async def system_performance(
    asker: Asker, probe: Probe, window: Window, zone: ZoneInfo, now: float
) -> SystemPerformance:
    """The system in the last `window` before `now`."""
    progress = await questions.source_progress(asker)
    end = int(now // _MINUTE_S + 1) * _MINUTE_S
    start = end - SECONDS[window]
    clock = clock_over(zone, start, end)
    live, active, checks = await at_once(
        questions.system_live(asker, clock),
        questions.active_users(asker, start // BUCKET_S * BUCKET_S, -(-end // BUCKET_S) * BUCKET_S),
        probe.checks(),
    )
    return SystemPerformance(
        window=window,
        period=period_of(Period(window, start, end, zone), clock),
        real_time_metrics=real_time_metrics(live, active[0]["users"], (now - start) / _MINUTE_S),
        system_health=system_health(checks, lag_of(progress, now)),
        absent=list(ABSENT),
        generated_at=utc(now),
        data_as_of=freshness(progress).data_as_of,
    )


def real_time_metrics(live: Rows, active_users: int, minutes: float) -> RealTimeMetrics:
    """The sums of `system_live` rows, of which `minutes` are over."""
    messages, good, bad, count, sum_us = (
        sum(row[name] for row in live)
        for name in ("messages", "good", "bad", "processing_count", "processing_sum_us")
    )
    success = ratio(good, good + bad)
    peak = max(live, key=lambda row: (row["messages"], -row["hour"]), default=None)
    return RealTimeMetrics(
        total_messages=messages,
        success_rate_percent=None if success is None else 100 * success,
        average_response_time_ms=sum_us / count / _US_PER_MS if count > 0 else None,
        active_users=active_users,
        peak_hour=None if peak is None else peak["hour"],
        messages_per_minute=messages / minutes,
    )


def system_health(checks: Sequence[Check], lag: Lag | None) -> SystemHealth:
    """The checks of `/readyz` as components."""
    components = [
        Component(name=check.name, status=check.status, detail=check.detail) for check in checks
    ]
    for component in components:
        if component.name == "lag" and lag is not None:
            component.lag_events, component.lag_seconds = lag.events, lag.seconds
    is_ok = all(component.status == "ok" for component in components)
    return SystemHealth(status="ok" if is_ok else "degraded", components=components)
