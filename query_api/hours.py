"""The cost of each local hour as a series with a weekly rhythm; projection and anomalies read it.

Pure. An hour is a slot of `LocalClock`: it ends where the next one begins, so a day on which the
clocks change has 23 or 25 of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from query_api.period import Period
from query_api.questions import Rows
from query_api.zones import BUCKET_S, DAY_S, HOUR_S, LocalClock, shift_days

HISTORY_DAYS = 56
"""Eight weeks: enough samples of each hour of the week, and short enough to follow a change."""


class Hour(NamedTuple):
    """One local hour: [start, end), its hour of the week (0 is Monday 00:00), its local day."""

    start: int
    end: int
    of_week: int
    day: int
    cost_micros: int


def history_start(period: Period, now: float) -> int:
    """From where on hourly cost is asked: the range, or eight weeks if that is longer.

    Eight weeks up to `now`, since what lies beyond it is no history.
    """
    latest = min(period.end, int(now // BUCKET_S + 1) * BUCKET_S)
    return min(period.start, shift_days(period.zone, latest, -HISTORY_DAYS))


def costs_by_hour(rows: Rows, clock: LocalClock) -> dict[int, int]:
    """Micro-USD of the hours that have any, from rows of hours or of parts of them, unordered."""
    starts = [start for start, *_ in _calendar(clock)]
    costs: dict[int, int] = defaultdict(int)
    for row in rows:
        costs[starts[bisect_right(starts, row["slot"]) - 1]] += row["cost_micros"]
    return costs


def hours_of(costs: Mapping[int, int], clock: LocalClock) -> list[Hour]:
    """Every hour of the clock's range; those that are not in `costs` cost nothing."""
    return [Hour(*hour, costs.get(hour[0], 0)) for hour in _calendar(clock)]


@lru_cache(maxsize=256)
def _calendar(clock: LocalClock) -> list[tuple[int, int, int, int]]:
    """Every hour of the clock's range but for its cost; the same for all users."""
    starts = clock.slots(HOUR_S)
    stretches = np.searchsorted(clock.starts, starts, side="right") - 1
    local_starts = (np.array(starts) + np.array(clock.offsets)[stretches]).tolist()
    return [
        # 1970-01-01 was a Thursday, three days after a Monday.
        (start, end, (local + 3 * DAY_S) // HOUR_S % (7 * 24), local // DAY_S)
        for start, end, local in zip(starts, (*starts[1:], clock.end), local_starts, strict=True)
    ]


def history(hours: Sequence[Hour], until: float) -> list[Hour]:
    """The complete hours before `until`, from the first one that cost anything."""
    complete = [hour for hour in hours if hour.end <= until]
    first = next((place for place, hour in enumerate(complete) if hour.cost_micros), None)
    return [] if first is None else complete[first:]
