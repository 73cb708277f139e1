"""The cost of each local hour as a series with a weekly rhythm; projection and anomalies read it.

Pure. An hour is a slot of `LocalClock`: it ends where the next one begins, so a day on which the
clocks change has 23 or 25 of them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np

from query_api.period import Period
from query_api.sums import Numbers
from query_api.zones import BUCKET_S, DAY_S, HOUR_S, LocalClock, shift_days

HISTORY_DAYS = 56
"""Eight weeks: enough samples of each hour of the week, and short enough to follow a change."""
HOURS_OF_WEEK = 7 * 24


@dataclass(frozen=True)
class Costs:
    """Micro-USD of the slots of time that have any, in order: where each begins, what it cost."""

    starts: Numbers
    micros: Numbers

    def of(self, starts: Numbers) -> Numbers:
        """What the intervals cost that begin at `starts`, in order, each up to the next one."""
        inside = self.starts >= starts[0]
        micros = np.zeros(len(starts), np.int64)
        places = np.searchsorted(starts, self.starts[inside], side="right") - 1
        np.add.at(micros, places, self.micros[inside])
        return micros


@dataclass(frozen=True)
class Hours:
    """Local hours in order, a column each: [start, end), hour of the week (0 is Monday 00:00),
    local day, micro-USD."""

    start: Numbers
    end: Numbers
    of_week: Numbers
    day: Numbers
    cost_micros: Numbers

    def __len__(self) -> int:
        return len(self.start)

    def where(self, chosen: Any) -> Hours:
        """Some of them: a mask or a slice."""
        return Hours(*(getattr(self, column.name)[chosen] for column in fields(self)))


def history_start(period: Period, now: float) -> int:
    """From where on hourly cost is asked: the range, or eight weeks if that is longer.

    Eight weeks up to `now`, since what lies beyond it is no history.
    """
    latest = min(period.end, int(now // BUCKET_S + 1) * BUCKET_S)
    return min(period.start, shift_days(period.zone, latest, -HISTORY_DAYS))


def hours_of(costs: Costs, clock: LocalClock) -> Hours:
    """Every hour of the clock's range, with the cost of the slots that begin within it."""
    start, end, of_week, day = _calendar(clock)
    return Hours(start, end, of_week, day, costs.of(start))


@lru_cache(maxsize=256)
def _calendar(clock: LocalClock) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Every hour of the clock's range but for its cost; the same for all users."""
    starts = np.array(clock.slots(HOUR_S), np.int64)
    ends = np.append(starts[1:], clock.end)
    stretches = np.searchsorted(clock.starts, starts, side="right") - 1
    local = starts + np.array(clock.offsets, np.int64)[stretches]
    # 1970-01-01 was a Thursday, three days after a Monday.
    return starts, ends, (local + 3 * DAY_S) // HOUR_S % HOURS_OF_WEEK, local // DAY_S


def history(hours: Hours, until: float) -> Hours:
    """The complete hours before `until`, from the first one that cost anything."""
    complete = hours.where(hours.end <= until)
    costly = np.flatnonzero(complete.cost_micros)
    return complete.where(slice(costly[0] if len(costly) else len(complete), None))
