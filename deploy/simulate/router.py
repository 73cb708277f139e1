"""The simulated router: a seed, shares and a span of time to records. Pure; the middle of the flow.

A `Router` fills slots, moments in order of time, and every record takes one: a new message, the
repetition of an earlier one, a receipt that has arrived, or poison. So a number of events is a
number of records, and shares are shares of records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.simulate import messages, poison
from deploy.simulate.messages import Batch
from deploy.simulate.population import Ints, Population
from deploy.simulate.receipts import MEAN_RECEIPTS, Waiting, early_status, receipts
from deploy.simulate.records import Record
from deploy.simulate.rhythm import HOUR_MS, zone_weights
from deploy.simulate.times import utc

MINUTE_MS = 60_000
MAX_LATENESS_MS = 30 * 24 * HOUR_MS
MAX_AGE_MS = 395 * 24 * HOUR_MS
"""Lateness ends here: the product rejects what is older than 400 days."""
REMEMBERED = 4096
"""Messages that may be repeated: a uniform sample of all that were sent."""
REPEATED_AT_ONCE = 0.5
BATCH_SLOTS = 8192

_NEW, _LATE, _DUPLICATE, _POISON, _RECEIPT = range(5)


@dataclass(frozen=True)
class Shares:
    """Shares of all records, each 0–1, together less than 1. The rest are new messages.

    `late`: messages that arrive a minute to 30 days after they occurred.
    """

    duplicates: float = 0.0
    late: float = 0.0
    poison: float = 0.0
    receipts: float = 0.0

    def __post_init__(self) -> None:
        values = (self.duplicates, self.late, self.poison, self.receipts)
        if min(values) < 0 or sum(values) >= 1:
            raise ValueError("shares must not be negative and must leave room for new messages")

    def of_kinds(self) -> list[float]:
        """In the order `_NEW` … `_RECEIPT`."""
        others = [self.late, self.duplicates, self.poison, self.receipts]
        return [1 - sum(others), *others]


class Router:
    """Makes traffic. The same arguments give the same records.

    `start_ms` also makes the message sids differ from those of a run with another start.
    """

    def __init__(self, seed: int, population: Population, shares: Shares, start_ms: int) -> None:
        self._rng = np.random.default_rng([seed, start_ms])
        self._population = population
        self._shares = shares
        self._waiting = Waiting()
        self._sent: list[Record] = []
        self._last: Record | None = None
        self._sent_total = 0
        messages_share = 1 - shares.duplicates - shares.poison - shares.receipts
        self._receipt_chance = shares.receipts / messages_share / MEAN_RECEIPTS * 1.1

    def emit(self, start_ms: int, end_ms: int, count: int, sent_ms: int) -> list[list[Record]]:
        """`count` records of [start_ms, end_ms), in groups that must stay together.

        `sent_ms` is when they are sent, from which poison knows what is too old or not yet.
        """
        at_ms = np.sort(self._rng.integers(start_ms, end_ms, count))
        kinds = self._rng.choice(5, count, p=self._shares.of_kinds())
        users = self._users(start_ms, count)
        lateness = np.where(kinds == _LATE, self._lateness(count), 0)
        occurred_ms = np.maximum(at_ms - lateness, np.minimum(at_ms, sent_ms - MAX_AGE_MS))
        batch = messages.draw(self._rng, self._population, users, occurred_ms)
        chances = self._rng.random((3, count)).tolist()
        groups: list[list[Record]] = []
        room = count
        for row, kind in enumerate(kinds.tolist()):
            if room <= 0:
                break
            if kind == _POISON:
                group = self._poison(batch, row, sent_ms, room)
            else:
                chance = (chances[0][row], chances[1][row], chances[2][row])
                group = [self._record(batch, row, kind, int(at_ms[row]), chance)]
            groups.append(group)
            room -= len(group)
        return groups

    def _users(self, at_ms: int, count: int) -> Ints:
        """Whose slots these are: users by their volume, where it is day more than at night."""
        weights = self._population.volume * zone_weights(at_ms)[self._population.zone]
        edges = np.cumsum(weights / weights.sum())
        edges[-1] = 1
        return np.searchsorted(edges, self._rng.random(count), side="right")

    def _lateness(self, count: int) -> Ints:
        exponents = self._rng.uniform(np.log(MINUTE_MS), np.log(MAX_LATENESS_MS), count)
        return np.exp(exponents).astype(np.int64)

    def _record(
        self, batch: Batch, row: int, kind: int, at_ms: int, chance: tuple[float, float, float]
    ) -> Record:
        if kind == _DUPLICATE and self._last is not None:
            return self._repeat(self._last, chance)
        if kind == _RECEIPT and (receipt := self._waiting.next_before(at_ms)) is not None:
            return receipt
        return self._message(batch, row, kind, chance)

    def _message(
        self, batch: Batch, row: int, kind: int, chance: tuple[float, float, float]
    ) -> Record:
        early = early_status(batch, row) if chance[0] < self._receipt_chance else None
        record = messages.message(batch, row, self._population, early)
        if early is not None:
            self._waiting.add(receipts(self._rng, batch, row, self._population))
        if kind == _LATE:
            record.kind = "late"
        self._remember(record, chance[1])
        return record

    def _remember(self, record: Record, chance: float) -> None:
        """Keep a uniform sample of all messages (algorithm R)."""
        self._last = record
        self._sent_total += 1
        if len(self._sent) < REMEMBERED:
            self._sent.append(record)
        elif (place := int(chance * self._sent_total)) < REMEMBERED:
            self._sent[place] = record

    def _repeat(self, last: Record, chance: tuple[float, float, float]) -> Record:
        is_at_once = chance[0] < REPEATED_AT_ONCE
        first = last if is_at_once else self._sent[int(chance[1] * len(self._sent))]
        return Record(first.key, first.value, "duplicate", first.user_id, first.country)

    def _poison(self, batch: Batch, row: int, sent_ms: int, room: int) -> list[Record]:
        user = batch.users[row]
        key = self._population.keys[user]
        fields = {
            "event_id": f"EV{batch.sid[row]}",
            "message_sid": f"SM{batch.sid[row]}",
            "direction": "outbound",
            "status": "delivered",
            "occurred_at": utc(batch.at_ms[row]),
        }
        identity = {"phone_number": key} if key.startswith("+") else {"user_id": int(key)}
        victim = poison.Victim(key, identity | fields, sent_ms)
        fault = poison.FAULTS[self._rng.integers(len(poison.FAULTS))]
        return fault.records(victim)[:room]


def traffic(
    router: Router, start_ms: int, end_ms: int, count: int, sent_ms: int
) -> Iterator[list[list[Record]]]:
    """`count` records of [start_ms, end_ms) in order of time, busy hours fuller than quiet ones."""
    starts = np.arange(start_ms, end_ms, HOUR_MS)
    ends = np.minimum(starts + HOUR_MS, end_ms)
    busyness = np.array([zone_weights(at).sum() for at in starts.tolist()])
    shares = busyness * (ends - starts)
    for start, end, slots in zip(starts, ends, _apportion(shares, count), strict=True):
        if not slots:
            continue
        cuts = np.linspace(start, end, -(-slots // BATCH_SLOTS) + 1).astype(np.int64).tolist()
        numbers = _apportion(np.diff(cuts), slots)
        for first, last, number in zip(cuts, cuts[1:], numbers, strict=False):
            yield router.emit(first, last, number, sent_ms)


def _apportion(shares: NDArray[Any], count: int) -> list[int]:
    """Whole numbers that sum to `count`, in proportion to `shares`."""
    edges = np.round(np.cumsum(shares) / shares.sum() * count).astype(np.int64)
    numbers: list[int] = np.diff(edges, prepend=0).tolist()
    return numbers
