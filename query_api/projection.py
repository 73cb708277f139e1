"""What the current month will cost: a weekly profile and a trend continued to its end. Pure.

Expected cost of each hour left = mean cost of its hour of the week over the history + the linear
trend of the days' deviations from that profile. Range: the 80 % prediction interval of a sum of k
days from a regression over n days, `z · s · sqrt(k + k² · (1/n + (x − x̄)²/Sxx))`, with x the middle
of the days left and s the standard deviation of whole days (textbook formula, days taken as
independent and normal; `tests/query_api/test_backtest.py` measures how near it comes).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt
from zoneinfo import ZoneInfo

import numpy as np

from query_api.hours import (
    HISTORY_DAYS,
    HOURS_OF_WEEK,
    Costs,
    Hours,
    history,
    history_start,
    hours_of,
)
from query_api.measures import usd
from query_api.period import Period
from query_api.sums import Floats, summed
from query_api.zones import DAY_S, LocalClock, clock_over, day_start, local_date
from schemas.api.costs import Projection

MIN_HISTORY_DAYS = 14
"""Two of each hour of the week: less says nothing about how much they vary."""
METHOD = (
    "Cost so far plus, for each hour left in the calendar month, the mean cost of its hour of the "
    f"week over the last {HISTORY_DAYS} days or the range asked for, if longer, moved on by the "
    "linear trend of the days. low and high: 80 % range from the deviation of whole days from "
    "that profile and trend, taken as independent."
)
_Z_80 = 1.2816
"""90th percentile of the normal distribution: 80 % lie within ± as many deviations."""


def month_of(zone: ZoneInfo, second: float) -> tuple[int, int]:
    """The local calendar month that holds an instant: its start and end."""
    first = local_date(zone, int(second)).replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return day_start(zone, first), day_start(zone, date(following.year, following.month, 1))


def projection_of(costs: Costs, period: Period, now: float) -> Projection | None:
    """The month's cost from that of hours since `history_start`; the past needs none."""
    if period.end <= now:
        return None
    _, month_end = month_of(period.zone, now)
    clock = clock_over(period.zone, history_start(period, now), max(period.end, month_end))
    return project(hours_of(costs, clock), clock, now)


def project(hours: Hours, clock: LocalClock, now: float) -> Projection | None:
    """The month's cost as known at `now`; None with less than two weeks of history.

    `hours` reach from the beginning of the history to the end of the month.
    """
    start, end = month_of(clock.zone, now)
    past = history(hours, now)
    if not len(past) or past.end[-1] - past.start[0] < MIN_HISTORY_DAYS * DAY_S:
        return None
    profile = _profile(past)
    trend = _trend(past, profile)
    days_left, middle = (end - now) / DAY_S, (now + end) / 2 / DAY_S
    this_month = hours.where((start <= hours.start) & (hours.start <= now))
    to_date = int(this_month.cost_micros.sum())
    by_rhythm = _expected(hours.where((now < hours.end) & (hours.end <= end)), profile, now)
    left = max(0.0, by_rhythm + trend.slope * (middle - trend.centre) * days_left)
    spread = trend.spread(days_left, middle)
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


def _profile(past: Hours) -> Floats:
    """The mean cost of each hour of the week; the overall mean where there is no sample."""
    samples = np.bincount(past.of_week, minlength=HOURS_OF_WEEK)
    sums = np.bincount(past.of_week, past.cost_micros, minlength=HOURS_OF_WEEK)
    overall = past.cost_micros.mean()
    return np.where(samples, sums / np.maximum(samples, 1), overall)


def _expected(left: Hours, profile: Floats, now: float) -> float:
    """The cost expected in what is left of hours."""
    shares = np.minimum(1.0, (left.end - now) / (left.end - left.start))
    return float((profile[left.of_week] * shares).sum())


@dataclass(frozen=True)
class _Trend:
    """The regression line of whole days' deviations (micro-USD) from the profile.

    `slope` a day, `centre` the mean of the days (days since 1970), `deviation` of one day from the
    line, `sxx` the sum of squared distances of the `count` days from their centre.
    """

    slope: float
    centre: float
    deviation: float
    sxx: float
    count: int

    def spread(self, days: float, middle: float) -> float:
        """Half the width of the 80 % range of the sum of `days` days around `middle`."""
        distance = (middle - self.centre) ** 2 / self.sxx
        return _Z_80 * self.deviation * sqrt(days + days**2 * (1 / self.count + distance))


def _trend(past: Hours, profile: Floats) -> _Trend:
    deviations = past.cost_micros - profile[past.of_week]
    days, by_day = summed(past.day, deviations)
    # The first and the last day may be parts of days only.
    days, by_day = days[1:-1], by_day[1:-1]
    centre = float(days.mean())
    around, about = days - centre, by_day - by_day.mean()
    sxx = float((around**2).sum())
    slope = float((around * about).sum()) / sxx
    rest = float(((about - slope * around) ** 2).sum())
    # The profile was fitted to the same days: seven of their degrees of freedom are its own.
    freedom = max(1, len(days) - 8)
    # A day is counted from its beginning, instants from anywhere within it.
    return _Trend(slope, centre + 0.5, sqrt(rest / freedom), sxx, len(days))
