"""What the current month will cost: a weekly profile and a trend continued to its end. Pure.

Expected cost of each hour left = mean cost of its hour of the week over the history + the linear
trend of the days' deviations from that profile. Range: the 80 % prediction interval of a sum of k
days from a regression over n days, `z · s · sqrt(k + k² · (1/n + (x − x̄)²/Sxx))`, with x the middle
of the days left and s the standard deviation of whole days (textbook formula, days taken as
independent and normal; `tests/query_api/test_backtest.py` measures how near it comes).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt
from zoneinfo import ZoneInfo

from query_api.hours import HISTORY_DAYS, Hour, costs_by_hour, history, history_start, hours_of
from query_api.measures import usd
from query_api.period import Period
from query_api.questions import Rows
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


def projection_of(hourly_cost: Rows, period: Period, now: float) -> Projection | None:
    """The month's cost from rows of `…_hourly_cost` since `history_start`; the past needs none."""
    if period.end <= now:
        return None
    _, month_end = month_of(period.zone, now)
    clock = clock_over(period.zone, history_start(period, now), max(period.end, month_end))
    return project(hours_of(costs_by_hour(hourly_cost, clock), clock), clock, now)


def project(hours: Sequence[Hour], clock: LocalClock, now: float) -> Projection | None:
    """The month's cost as known at `now`; None with less than two weeks of history.

    `hours` reach from the beginning of the history to the end of the month.
    """
    start, end = month_of(clock.zone, now)
    past = history(hours, now)
    if not past or past[-1].end - past[0].start < MIN_HISTORY_DAYS * DAY_S:
        return None
    profile = _profile(past)
    trend = _trend(past, profile)
    days_left, middle = (end - now) / DAY_S, (now + end) / 2 / DAY_S
    to_date = sum(hour.cost_micros for hour in hours if start <= hour.start <= now)
    by_rhythm = sum(_expected(hour, profile, now) for hour in hours if now < hour.end <= end)
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


def _trend(past: Sequence[Hour], profile: dict[int, float]) -> _Trend:
    by_day: dict[int, float] = defaultdict(float)
    for hour in past:
        by_day[hour.day] += hour.cost_micros - profile[hour.of_week]
    # The first and the last day may be parts of days only.
    days = sorted(by_day)[1:-1]
    centre, level = sum(days) / len(days), sum(by_day[day] for day in days) / len(days)
    sxx = sum((day - centre) ** 2 for day in days)
    slope = sum((day - centre) * (by_day[day] - level) for day in days) / sxx
    rest = sum((by_day[day] - level - slope * (day - centre)) ** 2 for day in days)
    # The profile was fitted to the same days: seven of their degrees of freedom are its own.
    freedom = max(1, len(days) - 8)
    # A day is counted from its beginning, instants from anywhere within it.
    return _Trend(slope, centre + 0.5, sqrt(rest / freedom), sxx, len(days))
