"""What becomes known about a message later: its statuses, and the price that the provider settled.

Receipts travel on their own: they overtake each other, come twice, or come after the next status.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np

from deploy.simulate import outcomes
from deploy.simulate.messages import Batch, price_field
from deploy.simulate.population import Population
from deploy.simulate.records import Record
from deploy.simulate.times import utc

REPEATED_SHARE = 0.1
_BEFORE = {"sending": (), "sent": (), "canceled": (), "read": ("sent", "delivered")}
"""What comes before an outbound message's last status; `sent` where nothing is said."""
MEAN_RECEIPTS = 2.3
"""Receipts of a message that has any, repeats included, as measured over 20,000 messages."""


def early_status(batch: Batch, row: int) -> str | None:
    """The status that a message has when it is published, or None where it is the last one."""
    status = batch.status[row]
    if status in ("queued", "accepted", "scheduled", "receiving"):
        return None
    if batch.is_inbound[row]:
        return "receiving"
    return ("queued", "accepted", "scheduled", "sending")[int(batch.error_chance[row] * 4)]


def receipts(
    rng: np.random.Generator, batch: Batch, row: int, population: Population
) -> list[tuple[int, Record]]:
    """(arrival in ms since the epoch, record) of what follows a message that waits."""
    user, sid = batch.users[row], batch.prefix[row] + batch.sid[row]
    start = batch.at_ms[row]
    found = []
    for number, (status, extra) in enumerate(_steps(batch, row)):
        occurred_ms = start + int(rng.lognormal(np.log(4_000), 1.2)) * (number + 1)
        value = (
            f'{{"type":"status","event_id":"RC{number}{batch.sid[row]}","message_sid":"{sid}",'
            f'{population.identities[user]},"status":"{status}"{extra},'
            f'"occurred_at":"{utc(occurred_ms)}"}}'
        )
        record = Record(
            population.keys[user],
            value,
            "status",
            population.counts_for[user],
            batch.country[row],
        )
        copies = 2 if rng.random() < REPEATED_SHARE else 1
        found += [
            (occurred_ms + int(rng.lognormal(np.log(3_000), 1.5)), record) for _ in range(copies)
        ]
    return found


def _steps(batch: Batch, row: int) -> list[tuple[str, str]]:
    """Statuses in the order in which they occur, each with its further JSON fields."""
    status = batch.status[row]
    code = outcomes.error_code(status, batch.error_chance[row])
    error = f',"error_code":{code}' if code is not None else ""
    price = price_field(batch, row)
    if batch.is_inbound[row]:
        return [(status, price)]
    steps = [(step, "") for step in _BEFORE.get(status, ("sent",))]
    steps.append((status, error))
    if price:
        steps.append((status, error + price))
    return steps


@dataclass
class Waiting:
    """Receipts that have not arrived yet, the next one first."""

    _heap: list[tuple[int, int, Record]] = field(default_factory=list)
    _added: int = 0

    def add(self, arrivals: list[tuple[int, Record]]) -> None:
        """Let records arrive at their times."""
        for at_ms, record in arrivals:
            heapq.heappush(self._heap, (at_ms, self._added, record))
            self._added += 1

    def next_before(self, at_ms: int) -> Record | None:
        """Take the first one that has arrived by `at_ms`, if any has."""
        if self._heap and self._heap[0][0] <= at_ms:
            return heapq.heappop(self._heap)[2]
        return None
