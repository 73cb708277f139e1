"""Projection and anomalies from the cost of each local hour; the methods that answers state.

The mean cost of an hour of the week and the trend of the days make the projection, its median and
the median deviation the anomalies. Hours are walked over one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt
from statistics import fmean, linear_regression, median
from zoneinfo import ZoneInfo

from tests.oracle import periods
from tests.oracle.messages import Message
from tests.oracle.periods import BUCKET_S, Question
from tests.oracle.totals import Answer, money

HISTORY_DAYS, LEAST_DAYS = 56, 14
DAY_S = 86_400
Z_80 = 1.2816
MAD_TO_SIGMA, LEAST_DEVIATION, LEAST_SAMPLES, MOST_ANOMALIES = 1.4826, 5, 4, 20
LEAST_SPREAD_RATIO, LEAST_SPREAD_MICROS = 0.1, 10_000


@dataclass(frozen=True)
class Hour:
    """One local hour [start, end), its hour of the week and its local day, and what it cost."""

    start: int
    end: int
    of_week: tuple[int, int]
    day: int
    micros: int


def hours(messages: Iterable[Message], start: int, end: int, timezone: str) -> list[Hour]:
    """Every local hour of a range; one that the clock repeats is two."""
    starts = periods.point_starts(start, end, timezone, "hour")
    costs = dict.fromkeys(starts, 0)
    for message in messages:
        if start <= message.at_ms // 1000 < end:
            costs[periods.point_of(message.at_ms // 1000, starts)] += message.cost
    zone, found = ZoneInfo(timezone), []
    for begin, until in zip(starts, (*starts[1:], end), strict=True):
        local = datetime.fromtimestamp(begin, zone)
        of_week = (local.weekday(), local.hour)
        found.append(Hour(begin, until, of_week, local.toordinal(), costs[begin]))
    return found


def history_start(question: Question) -> int:
    """Eight weeks before the end of the range or the next quarter of an hour, or its start."""
    latest = min(question.end, (int(question.now) // BUCKET_S + 1) * BUCKET_S)
    return min(question.start, periods.days_later(latest, -HISTORY_DAYS, question.timezone))


def _past(every: list[Hour], now: float) -> list[Hour]:
    """Complete hours, from the first that cost anything."""
    complete = [hour for hour in every if hour.end <= now]
    while complete and not complete[0].micros:
        complete.pop(0)
    return complete


def projection(messages: list[Message], question: Question) -> Answer | None:
    """The cost of the local month that the question was asked in."""
    now = question.now
    if question.end <= now:
        return None
    month_start, month_end = month(now, question.timezone)
    until = max(question.end, month_end)
    known = [message for message in messages if message.at_ms // 1000 < question.end]
    every = hours(known, history_start(question), until, question.timezone)
    past = _past(every, now)
    if not past or past[-1].end - past[0].start < LEAST_DAYS * DAY_S:
        return None
    profile = _profile(past)
    to_date = sum(hour.micros for hour in every if month_start <= hour.start <= now)
    rhythm = sum(
        profile[hour.of_week] * min(1, (hour.end - now) / (hour.end - hour.start))
        for hour in every
        if now < hour.end <= month_end
    )
    days_left, middle = (month_end - now) / DAY_S, (now + month_end) / 2 / DAY_S
    moved, spread = _trend(past, profile, days_left, middle)
    left = max(0.0, rhythm + moved)
    return {
        "period_start": month_start,
        "period_end": month_end,
        **money(to_date, "cost_to_date"),
        **money(to_date + round(left), "projected_cost"),
        "low": (to_date + max(0.0, left - spread)) / 1e6,
        "high": (to_date + left + spread) / 1e6,
    }


def month(now: float, timezone: str) -> tuple[int, int]:
    """The local month that holds an instant."""
    zone = ZoneInfo(timezone)
    today = datetime.fromtimestamp(now, zone)
    first = datetime(today.year, today.month, 1)
    following = (first + timedelta(days=32)).replace(day=1)
    start, end = (int(day.replace(tzinfo=zone).timestamp()) for day in (first, following))
    return start, end


def _profile(past: list[Hour]) -> Mapping[tuple[int, int], float]:
    """The mean of each hour of the week; of all hours where there is none."""
    overall = fmean(hour.micros for hour in past)
    samples: dict[tuple[int, int], list[int]] = {}
    for hour in past:
        samples.setdefault(hour.of_week, []).append(hour.micros)
    places = ((weekday, hour) for weekday in range(7) for hour in range(24))
    return {place: fmean(samples[place]) if place in samples else overall for place in places}


def _trend(
    past: list[Hour], profile: Mapping[tuple[int, int], float], days: float, middle: float
) -> tuple[float, float]:
    """What the days' linear trend adds to `days` days around `middle`, and half the 80 % range."""
    off: dict[int, float] = {}
    for hour in past:
        off[hour.day] = off.get(hour.day, 0) + hour.micros - profile[hour.of_week]
    whole = sorted(off)[1:-1]
    # Days since 1970, counted by their middles.
    x = [day - datetime(1970, 1, 1).toordinal() + 0.5 for day in whole]
    y = [off[day] for day in whole]
    slope, intercept = linear_regression(x, y)
    centre = fmean(x)
    sxx = sum((place - centre) ** 2 for place in x)
    rest = sum((value - intercept - slope * place) ** 2 for place, value in zip(x, y, strict=True))
    deviation = sqrt(rest / max(1, len(x) - 8))
    width = sqrt(days + days**2 * (1 / len(x) + (middle - centre) ** 2 / sxx))
    return slope * (middle - centre) * days, Z_80 * deviation * width


def anomalies(messages: list[Message], question: Question) -> list[Answer]:
    """Hours of the range that cost far more or less than their hour of the week does."""
    start = history_start(question)
    past = _past(hours(messages, start, question.end, question.timezone), question.now)
    samples: dict[tuple[int, int], list[int]] = {}
    for hour in past:
        samples.setdefault(hour.of_week, []).append(hour.micros)
    found = []
    for hour in past:
        costs = samples[hour.of_week]
        if hour.start < question.start or len(costs) < LEAST_SAMPLES:
            continue
        centre = median(costs)
        mad = median(abs(cost - centre) for cost in costs)
        spread = max(MAD_TO_SIGMA * mad, LEAST_SPREAD_RATIO * centre, LEAST_SPREAD_MICROS)
        deviation = round((hour.micros - centre) / spread, 2)
        if abs(deviation) >= LEAST_DEVIATION:
            found.append(_anomaly(hour, centre, deviation))
    return sorted(found, key=lambda one: (-abs(one["deviation"]), one["start"]))[:MOST_ANOMALIES]


def _anomaly(hour: Hour, centre: float, deviation: float) -> Answer:
    return {
        "start": hour.start,
        **money(hour.micros, "cost"),
        **money(round(centre), "median_cost"),
        "deviation": deviation,
        "kind": "spike" if deviation > 0 else "drop",
    }
