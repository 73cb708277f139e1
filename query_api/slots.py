"""Totals over time: from slots of UTC time to local ones, to hours of the week, to sums.

`system_slots` gives the system's slots, `user_slots` those of a user's past, `slots_of` those of
cells. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import gcd

import numpy as np

from query_api.cells import Cells
from query_api.hours import Costs, history_start
from query_api.period import Period, granularity_of
from query_api.questions import Columns, Rows
from query_api.sums import Numbers, by_key, nothing, padded, stacked, summed
from query_api.zones import BUCKET_S, DAY_S, HOUR_S, LocalClock
from schemas.rows import DIRECTIONS, TOTALS
from schemas.statuses import CANCELED, SETTLED_BAD, SETTLED_GOOD

_COLUMNS = ("time", "is_outbound", *TOTALS)
_HOURS = 24


@dataclass(frozen=True)
class Slots:
    """Totals by time and direction, in any order, a slot in any number of rows. A slot ends before
    anything begins that is asked of it."""

    numbers: Numbers

    def between(self, start: int, end: int) -> Slots:
        """Those that begin in [start, end)."""
        time = self.numbers[:, 0]
        return Slots(self.numbers[(time >= start) & (time < end)])

    def column(self, name: str) -> Numbers:
        """One of the columns."""
        return self.numbers[:, _COLUMNS.index(name)]


NONE = Slots(nothing(len(_COLUMNS)))


def joined(*parts: Slots) -> Slots:
    """The rows of several parts."""
    return Slots(np.concatenate([part.numbers for part in parts]))


def by_owner(columns: Columns) -> dict[int, Slots]:
    """The answer of `user_slots` by the users that have any."""
    if not columns:
        return {}
    owner, *others = columns
    own = _numbers(others)
    return {user: Slots(some) for user, some in by_key(owner.astype(np.int64), own)}


def of_system(columns: Columns) -> Slots:
    """The answer of `system_slots`."""
    return Slots(_numbers(columns)) if columns else NONE


def _numbers(columns: Columns) -> Numbers:
    time, direction, totals = columns
    is_outbound = direction == DIRECTIONS["outbound"]
    return stacked(time, is_outbound, padded(totals, len(TOTALS)))


def slots_of(cells: Cells) -> Slots:
    """The slots of cells, of a bucket each."""
    counters = (
        cells.total(f"status_{status}" for status in statuses)
        for statuses in (SETTLED_GOOD, SETTLED_BAD, CANCELED)
    )
    columns = (
        *(cells.column(name) for name in ("time", "is_outbound")),
        *(cells.column(name) for name in ("messages", "segments", "body_length")),
        *counters,
        cells.total(("base_micros", "carrier_fee_micros", "failed_fee_micros")),
    )
    return Slots(np.column_stack(columns))


def slot_width(clock: LocalClock) -> int:
    """The widest slot of UTC time, up to an hour, that no local hour cuts."""
    return gcd(HOUR_S, *clock.offsets, *clock.starts[1:])


def bounds_of(period: Period, now: float) -> tuple[int, ...]:
    """The instants that no slot may be cut by, for an answer about a period: where its history and
    it begin, and each quarter of an hour where points are that short."""
    bounds = (history_start(period, now), period.start)
    if granularity_of(period) != "15min":
        return bounds
    return (*bounds, *range(period.start, period.end, DAY_S), period.end - BUCKET_S)


def days_of(bounds: Iterable[int]) -> list[int]:
    """The UTC days, counted since 1970, that hold some instants."""
    return sorted({bound // DAY_S for bound in bounds})


def trend(slots: Slots, clock: LocalClock, width: int, overdue_before: int) -> Rows:
    """A row per local slot of `width` seconds that has any, in order of time, with the counters of
    `query_api.trend.Totals`. `overdue_before` in epoch seconds: outbound messages in flight in
    buckets that end at or before it are unknown as well."""
    inside = slots.between(clock.start, clock.end)
    outbound = inside.column("is_outbound")
    # Every message has one status.
    others = inside.column("good") + inside.column("bad") + inside.column("canceled")
    in_flight = (inside.column("messages") - others) * outbound
    is_overdue = inside.column("time") + BUCKET_S <= overdue_before
    columns = {name: inside.column(name) for name in ("messages", "segments", "body_length")}
    columns |= {name: inside.column(name) for name in ("good", "bad", "cost_micros")}
    columns |= {
        "inbound": columns["messages"] * (1 - outbound),
        "outbound": columns["messages"] * outbound,
        "outbound_good": columns["good"] * outbound,
        "outbound_bad": columns["bad"] * outbound,
        "outbound_canceled": inside.column("canceled") * outbound,
        "outbound_in_flight": in_flight,
        "outbound_unknown": in_flight * is_overdue,
    }
    starts, sums = summed(_local_slots(inside, clock, width), np.column_stack([*columns.values()]))
    names = ("slot", *columns)
    return [dict(zip(names, row, strict=True)) for row in np.column_stack((starts, sums)).tolist()]


def costs(slots: Slots, clock: LocalClock, width: int) -> Costs:
    """The cost of each local slot of `width` seconds that has any row."""
    inside = slots.between(clock.start, clock.end)
    return Costs(*summed(_local_slots(inside, clock, width), inside.column("cost_micros")))


def rhythm(slots: Slots, clock: LocalClock) -> Rows:
    """A row per local weekday (0 is Monday) and hour that has any, in order: weekday, hour,
    messages."""
    inside = slots.between(clock.start, clock.end)
    local = _local(inside, clock)[1]
    # 1970-01-01 was a Thursday.
    of_week = (local // DAY_S + 3) % 7 * _HOURS + local // HOUR_S % _HOURS
    hours, sums = summed(of_week, inside.column("messages"))
    pairs = zip(hours.tolist(), sums.tolist(), strict=True)
    return [
        {"weekday": hour // _HOURS, "hour": hour % _HOURS, "messages": messages}
        for hour, messages in pairs
    ]


def _local(slots: Slots, clock: LocalClock) -> tuple[Numbers, Numbers]:
    """Of each slot: where its stretch of constant offset begins, and its local time."""
    time = slots.column("time")
    starts = np.array(clock.starts, np.int64)
    stretch = np.searchsorted(starts, time, side="right") - 1
    return starts[stretch], time + np.array(clock.offsets, np.int64)[stretch]


def _local_slots(slots: Slots, clock: LocalClock, width: int) -> Numbers:
    """The start of the local slot that each belongs to, cut where a stretch begins."""
    stretch, local = _local(slots, clock)
    return np.asarray(np.maximum(slots.column("time") - local % width, stretch))
