"""Shapes the rows of `slots.trend`: points, totals, delivery. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Self

import numpy as np

from query_api.hours import Costs
from query_api.measures import ratio, usd
from query_api.period import WIDTH_S
from query_api.questions import Row
from query_api.sums import Numbers, summed
from query_api.zones import DAY_S, LocalClock
from schemas.api.usage import Delivery, Granularity, UsagePoint


@dataclass
class Totals:
    """The sums of any number of trend rows; names as in the SQL."""

    messages: int = 0
    inbound: int = 0
    outbound: int = 0
    segments: int = 0
    body_length: int = 0
    good: int = 0
    bad: int = 0
    outbound_good: int = 0
    outbound_bad: int = 0
    outbound_canceled: int = 0
    outbound_in_flight: int = 0
    outbound_unknown: int = 0
    cost_micros: int = 0

    def add(self, row: Row) -> None:
        """Add one row's counters."""
        for name in _COUNTERS:
            setattr(self, name, getattr(self, name) + row[name])

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Self:
        """The sums of all rows."""
        totals = cls()
        for row in rows:
            totals.add(row)
        return totals

    @property
    def success_rate(self) -> float | None:
        """Settled good / all settled, over both directions."""
        return ratio(self.good, self.good + self.bad)


_COUNTERS = tuple(field.name for field in fields(Totals))


def points(rows: Iterable[Row], clock: LocalClock, granularity: Granularity) -> list[UsagePoint]:
    """Every interval of the range in order, those without messages too."""
    point_of = _point_of_slot(clock, granularity)
    totals = {start: Totals() for start in point_of.values()}
    for row in rows:
        totals[point_of[row["slot"]]].add(row)
    return [_point(clock, start, total) for start, total in totals.items()]


def costs_of_points(costs: Costs, clock: LocalClock, granularity: Granularity) -> dict[int, int]:
    """Micro-USD of every interval of the range by its start, from slots of the same length or
    shorter ones, which may begin before the range."""
    slots, point_of = _slots_and_points(clock, granularity)
    points, micros = summed(point_of, costs.of(slots))
    return dict(zip(points.tolist(), micros.tolist(), strict=True))


@lru_cache(maxsize=256)
def _slots_and_points(clock: LocalClock, granularity: Granularity) -> tuple[Numbers, Numbers]:
    """The slots of the range, and where the point of each begins."""
    found = _point_of_slot(clock, granularity)
    return np.array(list(found), np.int64), np.array(list(found.values()), np.int64)


def _point_of_slot(clock: LocalClock, granularity: Granularity) -> dict[int, int]:
    """For each slot the start of its point: the slots of a day across an offset change are one."""
    slots = clock.slots(WIDTH_S[granularity])
    if granularity != "day":
        return {slot: slot for slot in slots}
    first: dict[int, int] = {}
    return {slot: first.setdefault(clock.local(slot) // DAY_S, slot) for slot in slots}


def _point(clock: LocalClock, start: int, total: Totals) -> UsagePoint:
    return UsagePoint(
        start=clock.moment(start),
        messages=total.messages,
        inbound=total.inbound,
        outbound=total.outbound,
        segments=total.segments,
        success_rate=total.success_rate,
        cost_usd=usd(total.cost_micros),
        cost_micros=total.cost_micros,
    )


def delivery(total: Totals) -> Delivery:
    """Outbound messages by outcome; unknown ones are no longer in flight."""
    settled = total.outbound_good + total.outbound_bad
    return Delivery(
        delivered=total.outbound_good,
        failed=total.outbound_bad,
        in_flight=total.outbound_in_flight - total.outbound_unknown,
        unknown=total.outbound_unknown,
        canceled=total.outbound_canceled,
        receipt_coverage=ratio(settled, total.outbound - total.outbound_canceled),
    )
