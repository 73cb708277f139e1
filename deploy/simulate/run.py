"""Which records a run of the simulated router sends, and in which pace; the clock is here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby, islice

from deploy.simulate.disorder import Disorder
from deploy.simulate.population import populate
from deploy.simulate.records import Record
from deploy.simulate.router import BATCH_SLOTS, Router, Shares, traffic

Groups = list[list[Record]]

DAY_MS = 86_400_000
TICK_S = 0.05
EVENTS_PER_DAY = 2_000
DEFAULT_RATE = 50.0


@dataclass(frozen=True)
class Run:
    """What to simulate: `days` of history, then live traffic at `rate` events a second.

    `rate` None stops after the history, or means `DEFAULT_RATE` if there is none; 0 is as fast as
    possible. `events` limits the history, or the live traffic if there is no history.
    """

    seed: int
    users: int
    shares: Shares
    shuffle: int = 0
    days: int = 0
    events: int | None = None
    rate: float | None = None

    def batches(self, now_ms: int) -> Iterator[Groups]:
        """Everything to send: user-phone mappings, history up to `now_ms`, live traffic."""
        population = populate(self.seed, self.users)
        yield [population.mappings()]
        router = Router(self.seed, population, self.shares, now_ms)
        disorder = Disorder(self.seed, self.shuffle)
        for groups in chain(self._history(router, now_ms), self._live(router)):
            yield list(disorder.through(groups))
        yield list(disorder.rest())

    def _history(self, router: Router, now_ms: int) -> Iterator[Groups]:
        if not self.days:
            return iter(())
        count = self.events or self.days * EVENTS_PER_DAY
        return traffic(router, now_ms - self.days * DAY_MS, now_ms, count, now_ms)

    def _live(self, router: Router) -> Iterator[Groups]:
        if self.days and not self.rate:
            return iter(())
        batches = live(router, DEFAULT_RATE if self.rate is None else self.rate)
        return limited(batches, self.events) if self.events and not self.days else batches


def live(router: Router, rate: float, clock: Callable[[], float] = time.time) -> Iterator[Groups]:
    """Records as they occur, without end: `rate` a second, or as many as possible if it is 0.

    Yields nothing at least every `TICK_S` while nothing is due. Behind its pace, it catches up.
    """
    began = last = clock()
    emitted = 0
    while True:
        now = clock()
        due = int((now - began) * rate) - emitted if rate else BATCH_SLOTS
        count = min(due, BATCH_SLOTS)
        if count <= 0:
            time.sleep(TICK_S)
            yield []
            continue
        start_ms, end_ms = int(last * 1000), int(now * 1000)
        yield router.emit(start_ms, max(end_ms, start_ms + 1), count, end_ms)
        emitted += count
        last = now


def limited(batches: Iterable[Groups], count: int) -> Iterator[Groups]:
    """The first `count` ≥ 1 records of endless batches."""
    for groups in batches:
        kept: Groups = []
        for group in groups:
            kept.append(group[:count])
            count -= len(kept[-1])
            if not count:
                yield kept
                return
        yield kept


def again(records: Iterable[Record]) -> Iterator[Groups]:
    """The records of a ledger in their order, mappings apart from events."""
    for _, similar in groupby(records, lambda record: record.kind == "mapping"):
        while batch := list(islice(similar, BATCH_SLOTS)):
            yield [batch]
