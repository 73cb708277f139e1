"""The projection: exact for a perfect rhythm, honest about noise, silent without history."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import numpy as np
import pytest

from query_api.hours import Hours, history_start
from query_api.period import Period
from query_api.projection import METHOD, MIN_HISTORY_DAYS, month_of, project
from query_api.zones import DAY_S
from tests.query_api.series import ZONE, hours, with_costs


def _utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


_START, _END = _utc("2026-01-19T00:00"), _utc("2026-03-31T23:00")
_NOW = _utc("2026-03-16T10:30")
_MONTH_START = _utc("2026-03-01T00:00")


def _as_known_at(now: int, every: Hours) -> Hours:
    """The series as the tables have it at `now`: the hour that runs by the part that is over."""
    over = np.clip((now - every.start) / (every.end - every.start), 0.0, 1.0)
    return with_costs(every, np.round(every.cost_micros * over))


def _of_the_month(every: Hours) -> int:
    return int(every.cost_micros[every.start >= _MONTH_START].sum())


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        ("2026-03-16T10:30", "2026-03-01T00:00", "2026-03-31T23:00"),  # summer time has begun
        ("2026-03-31T23:00", "2026-03-31T23:00", "2026-04-30T23:00"),  # April by local time
        ("2026-12-31T12:00", "2026-12-01T00:00", "2027-01-01T00:00"),
    ],
)
def test_the_period_is_the_local_calendar_month(now: str, start: str, end: str) -> None:
    assert month_of(ZONE, _utc(now)) == (_utc(start), _utc(end))


def test_a_perfect_rhythm_is_continued_exactly() -> None:
    truth, clock = hours(_START, _END, noise=0)
    found = project(_as_known_at(_NOW, truth), clock, _NOW)
    assert found is not None
    total = _of_the_month(truth)
    assert found.projected_cost_micros == pytest.approx(total, abs=1)
    assert found.low == pytest.approx(found.projected_cost_usd)
    assert found.high == pytest.approx(found.projected_cost_usd)
    assert found.period_end.isoformat() == "2026-04-01T00:00:00+01:00"
    assert found.method == METHOD


def test_the_range_holds_the_truth_about_as_often_as_it_says() -> None:
    dice = random.Random(3)
    rhythm, clock = hours(_START, _END, noise=0)
    held = 0
    for _ in range(80):
        # Whole days vary, as days do: independent, ± 20 %.
        factors = {day: dice.gauss(1, 0.2) for day in sorted(set(rhythm.day.tolist()))}
        factor = np.array([factors[day] for day in rhythm.day.tolist()])
        truth = with_costs(rhythm, np.round(rhythm.cost_micros * factor))
        found = project(_as_known_at(_NOW, truth), clock, _NOW)
        assert found is not None
        total = _of_the_month(truth)
        held += found.low <= total / 1_000_000 <= found.high
    assert 0.7 <= held / 80 <= 0.9


def test_what_was_spent_is_the_least_that_it_will_be() -> None:
    truth, clock = hours(_START, _END, noise=0.9)
    now = _utc("2026-03-31T22:45")
    found = project(_as_known_at(now, truth), clock, now)
    assert found is not None
    assert found.cost_to_date_usd <= found.low <= found.projected_cost_usd <= found.high
    assert found.high / found.cost_to_date_usd < 1.01


@pytest.mark.parametrize("days", [0, 1, MIN_HISTORY_DAYS - 1])
def test_too_little_history_gives_no_projection(days: int) -> None:
    truth, clock = hours(_START, _END, noise=0)
    begin = _NOW - days * DAY_S
    young = with_costs(truth, np.where(truth.start >= begin, truth.cost_micros, 0))
    assert project(_as_known_at(_NOW, young), clock, _NOW) is None


def test_history_ends_now_wherever_the_range_does() -> None:
    week = 7 * DAY_S
    for end in (_NOW, _NOW + 10 * week):
        period = Period("custom", _NOW - week, end, ZONE)
        eight_weeks_ago = _utc("2026-01-19T10:30")
        assert history_start(period, _NOW) == eight_weeks_ago + (900 if end > _NOW else 0)
