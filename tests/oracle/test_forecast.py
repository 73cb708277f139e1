"""Projection and anomalies of series so regular that the results are known beforehand."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.oracle import forecast, periods
from tests.oracle.messages import Message
from tests.oracle.test_answers import message

HOUR_S, DAY_S = 3_600, 86_400


def _second(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def _hourly(start: str, end: str, cost: int = 1_000_000) -> list[Message]:
    """A message in each hour, of a dollar unless told otherwise."""
    hours = range(_second(start), _second(end), HOUR_S)
    return [message(sid=f"SM{at}", at_ms=at * 1000, base=cost) for at in hours]


def _asked_at(now: str) -> periods.Question:
    return periods.named("7d", "UTC", float(_second(now)), None)


def test_what_is_the_same_each_hour_goes_on() -> None:
    found = forecast.projection(
        _hourly("2026-01-01T00:00", "2026-03-16T00:00"), _asked_at("2026-03-16T00:00")
    )
    assert found is not None
    assert found["cost_to_date_usd"] == 15 * 24
    assert found["projected_cost_usd"] == pytest.approx(31 * 24)
    assert found["low"] == pytest.approx(found["high"]) == pytest.approx(31 * 24)


def test_two_weeks_of_history_are_needed() -> None:
    asked = _asked_at("2026-03-16T00:00")
    assert forecast.projection(_hourly("2026-03-02T01:00", "2026-03-16T00:00"), asked) is None
    assert forecast.projection(_hourly("2026-03-02T00:00", "2026-03-16T00:00"), asked)


def test_the_past_needs_no_projection() -> None:
    past = periods.between(0, DAY_S, "UTC", 2.0 * DAY_S, None)
    assert forecast.projection([], past) is None


def test_history_ends_now_wherever_the_range_does() -> None:
    now = _second("2026-03-16T00:00")
    asked = periods.between(now - DAY_S, now + 90 * DAY_S, "UTC", float(now), None)
    assert forecast.history_start(asked) == now + 900 - 56 * DAY_S


def test_a_month_is_local() -> None:
    start, end = forecast.month(_second("2026-02-28T20:00"), "Asia/Kathmandu")
    zone = ZoneInfo("Asia/Kathmandu")
    assert datetime.fromtimestamp(start, zone).isoformat() == "2026-03-01T00:00:00+05:45"
    assert datetime.fromtimestamp(end, zone).isoformat() == "2026-04-01T00:00:00+05:45"


def test_an_hour_out_of_the_ordinary() -> None:
    usual = _hourly("2026-01-01T00:00", "2026-03-16T00:00")
    odd = message(at_ms=(_second("2026-03-12T10:15")) * 1000, base=2_000_000)
    (found,) = forecast.anomalies([*usual, odd], _asked_at("2026-03-16T00:00"))
    # A tenth of the median is the least spread, so that 2 dollars more are 20 deviations.
    assert found == {
        "start": _second("2026-03-12T10:00"),
        "cost_usd": 3.0,
        "cost_micros": 3_000_000,
        "median_cost_usd": 1.0,
        "median_cost_micros": 1_000_000,
        "deviation": 20.0,
        "kind": "spike",
    }
