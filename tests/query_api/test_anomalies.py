"""Anomalies: what is out of the ordinary for its hour of the week, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from query_api.anomalies import MAX_ANOMALIES, anomalies
from query_api.hours import Hours, history
from query_api.zones import DAY_S, HOUR_S
from tests.query_api.series import hours, with_costs


def _utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


_START, _END = _utc("2026-01-19T00:00"), _utc("2026-03-16T00:00")
_SPIKE = _utc("2026-03-11T09:00")


def _changed(every: Hours, start: int, factor: float) -> Hours:
    factors = np.where(every.start == start, factor, 1.0)
    return with_costs(every, np.round(every.cost_micros * factors))


def test_the_rhythm_itself_is_no_anomaly() -> None:
    ordinary, clock = hours(_START, _END, noise=0.1)
    assert anomalies(ordinary, clock, _START) == []


@pytest.mark.parametrize(("factor", "kind"), [(4.0, "spike"), (0.1, "drop")])
def test_an_hour_out_of_the_ordinary_is_found(factor: float, kind: str) -> None:
    ordinary, clock = hours(_START, _END, noise=0.1)
    (found,) = anomalies(_changed(ordinary, _SPIKE, factor), clock, _START)
    assert found.start.timestamp() == _SPIKE
    assert found.kind == kind
    assert 0.9 < found.median_cost_usd < 1.1
    assert found.cost_usd == pytest.approx(factor, rel=0.11)
    assert abs(found.deviation) >= 5


def test_weekday_noon_at_the_weekend_is_found_though_it_is_normal_on_other_days() -> None:
    ordinary, clock = hours(_START, _END, noise=0.02)
    sunday_noon = _utc("2026-03-15T12:00")
    (found,) = anomalies(_changed(ordinary, sunday_noon, 2.0), clock, _START)
    assert found.start.timestamp() == sunday_noon


def test_only_the_range_is_judged_but_all_history_says_what_is_normal() -> None:
    ordinary, clock = hours(_START, _END, noise=0.1)
    assert anomalies(_changed(ordinary, _SPIKE, 4.0), clock, _SPIKE + HOUR_S) == []


def test_pocket_money_is_no_anomaly() -> None:
    ordinary, clock = hours(_START, _END, noise=0)
    cents = with_costs(ordinary, ordinary.cost_micros // 1000)
    assert anomalies(_changed(cents, _SPIKE, 10.0), clock, _START) == []


def test_three_weeks_are_too_few_to_judge() -> None:
    ordinary, clock = hours(_END - 21 * DAY_S, _END, noise=0)
    assert anomalies(_changed(ordinary, _SPIKE, 9.0), clock, _START) == []


def test_the_largest_come_first_and_not_too_many() -> None:
    ordinary, clock = hours(_START, _END, noise=0.05)
    for number in range(MAX_ANOMALIES + 5):
        ordinary = _changed(ordinary, _SPIKE - number * 5 * HOUR_S, 4.0 + number)
    found = anomalies(ordinary, clock, _START)
    assert len(found) == MAX_ANOMALIES
    sizes = [abs(anomaly.deviation) for anomaly in found]
    assert sizes == sorted(sizes, reverse=True)


def test_history_begins_with_the_first_cost_and_ends_with_the_last_complete_hour() -> None:
    ordinary, _ = hours(_START, _END, noise=0)
    young = with_costs(ordinary, np.where(ordinary.start < _SPIKE, 0, ordinary.cost_micros))
    past = history(young, _SPIKE + 2.5 * HOUR_S)
    assert past.start.tolist() == [_SPIKE, _SPIKE + HOUR_S]
    assert len(history(with_costs(ordinary, 0 * ordinary.cost_micros), _END)) == 0


def test_a_system_without_costs_has_no_anomalies() -> None:
    ordinary, clock = hours(_START, _END, noise=0)
    free = with_costs(ordinary, 0 * ordinary.cost_micros)
    assert anomalies(history(free, _END), clock, _START) == []


def test_a_deviation_is_judged_as_it_is_shown() -> None:
    ordinary, clock = hours(_START, _END, noise=0)
    level = 1_000_000  # of a weekday's hour at day; the spread is a tenth of it
    for micros, count in ((1_499_600, 1), (1_499_000, 0)):  # 4.996 is shown as 5.0, 4.99 as itself
        found = anomalies(_changed(ordinary, _SPIKE, micros / level), clock, _START)
        assert [anomaly.deviation for anomaly in found] == [5.0] * count
