"""A synthetic system: hourly cost with a daily and weekly rhythm and seeded noise."""

from __future__ import annotations

import random
from zoneinfo import ZoneInfo

from query_api.hours import Hour, hours_of
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


def hours(start: int, end: int, noise: float, seed: int = 1) -> tuple[list[Hour], LocalClock]:
    """Every hour of [start, end) in London, and the clock over it."""
    clock = clock_over(ZONE, start, end)
    return hours_of(rhythmic(clock, noise, seed), clock), clock
