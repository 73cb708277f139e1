"""A synthetic system: hourly cost with a daily and weekly rhythm and seeded noise."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np

from query_api.hours import Costs, Hours, hours_of
from query_api.sums import Numbers
from query_api.zones import DAY_S, HOUR_S, LocalClock, clock_over

ZONE = ZoneInfo("Europe/London")


def rhythmic(clock: LocalClock, noise: float, seed: int = 1) -> dict[int, int]:
    """Micro-USD by hour: more by day than by night, half as much at weekends, ± `noise`."""
    dice = random.Random(seed)
    costs = {}
    for slot in clock.slots(HOUR_S):
        local = clock.local(slot)
        is_weekend = (local // DAY_S + 3) % 7 >= 5
        level = 1_000_000 if 8 <= local // HOUR_S % 24 < 20 else 200_000
        costs[slot] = round(level * (0.5 if is_weekend else 1) * (1 + dice.uniform(-noise, noise)))
    return costs


def hours(start: int, end: int, noise: float, seed: int = 1) -> tuple[Hours, LocalClock]:
    """Every hour of [start, end) in London, and the clock over it."""
    clock = clock_over(ZONE, start, end)
    return hours_of(costs_of(rhythmic(clock, noise, seed)), clock), clock


def costs_of(by_slot: Mapping[int, int]) -> Costs:
    """Costs by where their slots begin."""
    columns = np.array(sorted(by_slot.items()), np.int64).reshape(-1, 2)
    return Costs(*columns.T)


def with_costs(hours: Hours, micros: Sequence[int] | Numbers) -> Hours:
    """The same hours at other costs."""
    return replace(hours, cost_micros=np.array(micros, np.int64))
