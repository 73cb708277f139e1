"""The projection's back-test: asked on past days, how near was it to what came.

Systems and users of several sizes: each hour's messages are drawn at random around a daily and
weekly rhythm, with slow growth. Printed with `pytest -s`.
"""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from statistics import mean

import numpy as np
import pytest

from query_api.hours import Hours, hours_of
from query_api.projection import month_of, project
from query_api.zones import DAY_S, HOUR_S, LocalClock, clock_over
from tests.query_api.series import ZONE, costs_of, rhythmic, with_costs

_START = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp())
_END = int(datetime(2026, 6, 30, 23, tzinfo=UTC).timestamp())
_PRICE_MICROS = 8300
_GROWTH_A_MONTH = 1.05


def _drawn(clock: LocalClock, messages_a_day: float, seed: int) -> Hours:
    """Hours whose messages are normal around a rhythm, as sums of independent messages are."""
    dice = random.Random(seed)
    rhythm = rhythmic(clock, noise=0)
    a_day = sum(rhythm.values()) / ((clock.end - clock.start) / DAY_S)
    costs = {}
    for slot, level in rhythm.items():
        growth = _GROWTH_A_MONTH ** ((slot - clock.start) / (30 * DAY_S))
        expected = messages_a_day * growth * level / a_day
        costs[slot] = max(0, round(dice.gauss(expected, math.sqrt(expected)))) * _PRICE_MICROS
    return hours_of(costs_of(costs), clock)


def _linear(hours: Hours, start: int, end: int, now: int) -> float:
    """What everybody does by hand: the cost so far, times the month over the time that is over."""
    return _usd(hours, start, now) * (end - start) / (now - start)


def _usd(hours: Hours, start: int, end: int) -> float:
    chosen = (start <= hours.start) & (hours.start < end)
    return int(hours.cost_micros[chosen].sum()) / 1_000_000


@pytest.mark.parametrize(("messages_a_day", "error"), [(20, 0.05), (300, 0.02), (10_000, 0.01)])
def test_the_projection_of_past_days_came_near(messages_a_day: float, error: float) -> None:
    clock = clock_over(ZONE, _START, _END)
    errors, linear, held = [], [], []
    for seed in range(3):
        truth = _drawn(clock, messages_a_day, seed)
        for now in range(_START + 60 * DAY_S + 9 * HOUR_S, _END - 31 * DAY_S, 5 * DAY_S):
            start, end = month_of(ZONE, now)
            begin = now - 56 * DAY_S
            known = with_costs(truth, np.where(truth.end <= now, truth.cost_micros, 0))
            found = project(known.where(known.start >= begin), clock, now)
            assert found is not None
            actual = _usd(truth, start, end)
            errors.append(abs(found.projected_cost_usd - actual) / actual)
            linear.append(abs(_linear(truth, start, end, now) - actual) / actual)
            held.append(found.low <= actual <= found.high)
    print(
        f"{messages_a_day} messages a day: off by {mean(errors):.1%} (linear {mean(linear):.1%}), "
        f"the range held {mean(held):.0%} of {len(held)}"
    )
    assert mean(errors) < error
    assert mean(errors) < mean(linear)
    assert 0.65 <= mean(held) <= 0.95
