"""What happens in a run: faults drawn from a seed, with their moments."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.faults.seeded.worker import POINTS

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

SESSION_S = 20.0
"""Kafka's session time-out of the workers (`streams.app`)."""


@dataclass(frozen=True)
class Fault:
    """One fault: when it begins after the first event was sent, how long it lasts, and where."""

    name: str
    at_s: float
    lasts_s: float
    which: int
    point: str


@dataclass(frozen=True)
class Schedule:
    """The faults of one seed in order, and the number of workers at the beginning."""

    seed: int
    workers: int
    faults: tuple[Fault, ...]


def schedule(seed: int, *, with_long: bool) -> Schedule:
    """One to four faults. Every long one, and every tenth run, has several workers."""
    seeded = random.Random(seed)
    names = [seeded.choice(SHORT) for _ in range(seeded.randint(1, 4))]
    # By turns, so that each comes often enough; a long outage is rarer than it is slow.
    names[0] = SHORT[seed % len(SHORT)]
    if with_long and seed % 10 == 7:
        names = [FREEZE, *names[:1]]
    if with_long and seed % 20 == 13:
        names = [BROKER_OUTAGE]
    at_s, faults = 0.0, []
    for name in names:
        at_s += seeded.uniform(0.2, 2.5)
        lasts_s = {FREEZE: SESSION_S + 5, BROKER_OUTAGE: 120.0, KILL: 0.0, KILL_AT_POINT: 0.0}.get(
            name, seeded.uniform(0.5, 3.0)
        )
        faults.append(Fault(name, at_s, lasts_s, seeded.randrange(4), seeded.choice(POINTS)))
    is_several = FREEZE in names or CREW in names or seed % 5 == 0
    return Schedule(seed, seeded.randint(2, 3) if is_several else 1, tuple(faults))
