"""Live performance: sums of the last minutes, and health that is no better than its parts."""

from __future__ import annotations

import pytest

from query_api.performance import real_time_metrics, system_health
from query_api.readiness import Lag
from schemas.api.health import Check


def _row(hour: int, messages: int, **counters: int) -> dict[str, int]:
    plain = dict.fromkeys(("good", "bad", "processing_count", "processing_sum_us"), 0)
    return plain | {"hour": hour, "messages": messages} | counters


def test_metrics_are_sums_over_hours() -> None:
    rows = [
        _row(5, 6, good=3, bad=1, processing_count=2, processing_sum_us=3_000),
        _row(17, 6, good=4, processing_count=1, processing_sum_us=6_000),
        _row(20, 3),
    ]
    found = real_time_metrics(rows, 4, minutes=7.5)
    assert found.total_messages == 15
    assert found.success_rate_percent == 87.5
    assert found.average_response_time_ms == 3.0
    assert found.active_users == 4
    assert found.peak_hour == 5
    assert found.messages_per_minute == 2.0


def test_a_quiet_system() -> None:
    found = real_time_metrics([], 0, minutes=60)
    assert (found.total_messages, found.messages_per_minute) == (0, 0)
    assert found.success_rate_percent is None
    assert found.average_response_time_ms is None
    assert found.peak_hour is None


@pytest.mark.parametrize(("status", "overall"), [("ok", "ok"), ("failed", "degraded")])
def test_health_is_that_of_the_worst_part(status: str, overall: str) -> None:
    checks = [
        Check(name="clickhouse", status="ok", detail="answers"),
        Check(name="lag", status=status, detail="5 events"),
    ]
    found = system_health(checks, Lag(5, 1.5))
    assert found.status == overall
    assert [component.lag_events for component in found.components] == [None, 5]
    assert found.components[1].lag_seconds == 1.5
