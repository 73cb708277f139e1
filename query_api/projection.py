"""What the current month will cost: a weekly profile continued to its end. Pure.

Expected cost of each hour left = mean cost of its hour of the week over the history. Range: the
80 % prediction interval of a sum of k days from a mean over n days, `z · s · sqrt(k + k²/n)`, with
s the standard deviation of whole days from the profile (textbook formula, days taken as
independent and normal; `tests/query_api/test_projection.py` measures how often it holds).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from math import sqrt
from zoneinfo import ZoneInfo

from query_api.hours import HISTORY_DAYS, Hour, history
from query_api.measures import usd
from query_api.zones import DAY_S, LocalClock, day_start, local_date
from schemas.api.costs import Projection

MIN_HISTORY_DAYS = 14
"""Two of each hour of the week: less says nothing about how much they vary."""
METHOD = (
    "Cost so far plus, for each hour left in the calendar month, the mean cost of its hour of the "
    f"week over the last {HISTORY_DAYS} days or the range asked for, if longer. low and high: 80 % "
    "range from the deviation of whole days from that profile, taken as independent."
)
_Z_80 = 1.2816
"""90th percentile of the normal distribution: 80 % lie within ± as many deviations."""


def month_of(zone: ZoneInfo, second: float) -> tuple[int, int]:
    """The local calendar month that holds an instant: its start and end."""
    first = local_date(zone, int(second)).replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return day_start(zone, first), day_start(zone, date(following.year, following.month, 1))


def project(hours: Sequence[Hour], clock: LocalClock, now: float) -> Projection | None:
    """The month's cost as known at `now`; None with less than two weeks of history.

    `hours` reach from the beginning of the history to the end of the month.
    """
    start, end = month_of(clock.zone, now)
    past = history(hours, now)
    if not past or past[-1].end - past[0].start < MIN_HISTORY_DAYS * DAY_S:
        return None
    profile = _profile(past)
    to_date = sum(hour.cost_micros for hour in hours if start <= hour.start <= now)
    left = sum(_expected(hour, profile, now) for hour in hours if now < hour.end <= end)
    spread = _spread(past, profile, (end - now) / DAY_S)
    return Projection(
        period_start=clock.moment(start),
        period_end=clock.moment(end),
        cost_to_date_usd=usd(to_date),
        cost_to_date_micros=to_date,
        projected_cost_usd=usd(to_date + round(left)),
        projected_cost_micros=to_date + round(left),
        low=usd(to_date + round(max(0.0, left - spread))),
        high=usd(to_date + round(left + spread)),
        method=METHOD,
    )


def _profile(past: Sequence[Hour]) -> dict[int, float]:
    """The mean cost of each hour of the week; the overall mean where there is no sample."""
    samples: dict[int, list[int]] = defaultdict(list)
    for hour in past:
        samples[hour.of_week].append(hour.cost_micros)
    overall = sum(hour.cost_micros for hour in past) / len(past)
    return {
        of_week: sum(samples[of_week]) / len(samples[of_week]) if of_week in samples else overall
        for of_week in range(7 * 24)
    }


def _expected(hour: Hour, profile: dict[int, float], now: float) -> float:
    """The cost expected in the part of an hour that is left."""
    left = min(1.0, (hour.end - now) / (hour.end - hour.start))
    return profile[hour.of_week] * left


def _spread(past: Sequence[Hour], profile: dict[int, float], days_left: float) -> float:
    """Half the width of the 80 % range of what `days_left` days will cost."""
    deviations: dict[int, float] = defaultdict(float)
    for hour in past:
        deviations[hour.day] += hour.cost_micros - profile[hour.of_week]
    # The first and the last day may be parts of days only.
    whole = [deviations[day] for day in sorted(deviations)[1:-1]]
    # The profile was fitted to the same days: seven of their degrees of freedom are its own.
    freedom = max(1, len(whole) - 7)
    deviation = sqrt(sum(value * value for value in whole) / freedom)
    return _Z_80 * deviation * sqrt(days_left + days_left**2 / len(whole))
