"""What happens in a run: faults drawn from a seed, with their moments."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.faults.seeded.worker import FLUSHING, POINTS

KILL_AT_POINT = "SIGKILL at a named point"
KILL = "SIGKILL at any moment"
FREEZE = "SIGSTOP beyond the session"
CREW = "workers added and removed"
BROKER = "broker restart"
BROKER_OUTAGE = "broker outage of 2 minutes"
REFUSES = "ClickHouse refuses"
HANGS = "ClickHouse hangs"
LOSES = "ClickHouse's replies are lost"
LETTERS = "dead letters cannot be sent"
DISK = "ClickHouse's disk is full"

SHORT = (KILL_AT_POINT, KILL, CREW, BROKER, REFUSES, HANGS, LOSES, LETTERS, DISK)
LONG = (FREEZE, BROKER_OUTAGE)

SESSION_S = 6.0
"""Kafka's session time-out of the workers: the shortest that a broker allows by default."""
POINTS_AT_ONCE = 2
"""A kill at a named point is of so many, one after the other."""


@dataclass(frozen=True)
class Fault:
    """One fault: when it begins after the first event was sent, how long it lasts, and where."""

    name: str
    at_s: float
    lasts_s: float
    which: int
    points: tuple[str, ...]


@dataclass(frozen=True)
class Schedule:
    """The faults of one seed in order, and the number of workers at the beginning."""

    seed: int
    workers: int
    faults: tuple[Fault, ...]

    @property
    def lasts_s(self) -> float:
        """From the first event until the last fault is over."""
        return max((fault.at_s + fault.lasts_s for fault in self.faults), default=0.0)


def schedule(seed: int, *, with_long: bool) -> Schedule:
    """One to four faults. Every long one, and every fifth run, has several workers."""
    seeded = random.Random(seed)
    names = [seeded.choice(SHORT) for _ in range(seeded.randint(1, 4))]
    # By turns, so that each comes often enough; a long outage is rarer than it is slow.
    names[0] = SHORT[seed % len(SHORT)]
    if seed % 2 == 0 and KILL_AT_POINT not in names:
        names.append(KILL_AT_POINT)
    if with_long and seed % 10 == 7:
        names = [FREEZE, *names[:1]]
    if with_long and seed % 20 == 13:
        names = [BROKER_OUTAGE]
    at_s, faults = 0.0, []
    for name in names:
        at_s += seeded.uniform(0.2, 2.5)
        lasts_s = {FREEZE: SESSION_S + 4, BROKER_OUTAGE: 120.0, KILL: 0.0, KILL_AT_POINT: 0.0}.get(
            name, seeded.uniform(0.5, 3.0)
        )
        which = seeded.randrange(4)
        faults.append(Fault(name, at_s, lasts_s, which, _points(name, seed)))
        at_s += lasts_s
    is_several = FREEZE in names or CREW in names or seed % 5 == 0
    return Schedule(seed, seeded.randint(2, 3) if is_several else 1, tuple(faults))


def _points(name: str, seed: int) -> tuple[str, ...]:
    """Where a worker kills itself, or, in the middle of a flush, freezes; by turns."""
    if name == FREEZE:
        return (FLUSHING[seed // 10 % len(FLUSHING)],)
    if name == KILL_AT_POINT:
        first = seed // 2 * 2
        points = {POINTS[(first + 7 * more) % len(POINTS)] for more in range(POINTS_AT_ONCE)}
        return tuple(sorted(points, key=POINTS.index))  # the one while loading needs a start before
    return ()
