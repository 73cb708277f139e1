"""What became of a message: its history of statuses and prices, and what follows from it.

A history holds the message's own entry and one for each receipt that says something new, in order
of position. The state before a position is the fold of the entries below it, so a receipt that is
replayed gives the answer that it gave at first. Contract section 3, design section 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from schemas.rows import COST_SOURCES, DIRECTIONS, STATUS_CODES
from streams.core.message import Messages, set_costs

MAX_ENTRIES = 32
"""So many entries are kept in any case; beyond them only those that change the outcome."""

_DELIVERED, _FAILED = STATUS_CODES["delivered"], STATUS_CODES["failed"]


class Entry(NamedTuple):
    """One thing that was said of a message: by the `message` event itself, or by a receipt.

    `status` is a code, `price_micros` the provider's price, `at_ms` the event's `occurred_at`;
    `is_exempt` whether its error code bore no failed-message fee when it was first folded.
    """

    position: int
    status: int
    error_code: int | None
    price_micros: int | None
    at_ms: int
    is_exempt: bool


class Outcome(NamedTuple):
    """What a history comes to; `delivered_ms` is when it was delivered, by the first receipt.

    The first in the log: it is never revised, so that a cell's maximum of latencies is exact.
    """

    status: int
    error_code: int | None
    is_exempt: bool
    price_micros: int | None
    price_at_ms: int
    delivered_ms: int | None


NOTHING = Outcome(0, None, False, None, 0, None)


def then(before: Outcome, entry: Entry, own_position: int) -> Outcome:
    """The outcome after one more entry, of a message that is at `own_position` in the log.

    The highest status counts, the first of equals, and its error code goes with it; the price of
    the latest `at_ms`, the last of equals.
    """
    status, error_code, is_exempt, price, price_at_ms, delivered_ms = before
    if entry.status > status:
        status, error_code, is_exempt = entry.status, entry.error_code, entry.is_exempt
    if entry.price_micros is not None and (price is None or entry.at_ms >= price_at_ms):
        price, price_at_ms = entry.price_micros, entry.at_ms
    if delivered_ms is None and entry.status == _DELIVERED and entry.position != own_position:
        delivered_ms = entry.at_ms
    return Outcome(status, error_code, is_exempt, price, price_at_ms, delivered_ms)


class History:
    """Entries of one message in order of position, and their outcome."""

    __slots__ = ("entries", "outcome", "own_position")

    def __init__(self, own_position: int, entries: Iterable[Entry] = ()) -> None:
        self.own_position = own_position
        self.entries: list[Entry] = []
        self.outcome = NOTHING
        for entry in entries:
            self.append(entry)

    def append(self, entry: Entry, outcome: Outcome | None = None) -> None:
        """Add an entry that lies behind all others; `outcome`, if known, is what it leads to."""
        self.entries.append(entry)
        self.outcome = outcome or then(self.outcome, entry, self.own_position)

    def until(self, position: int) -> History:
        """The history as it was before `position`: this one, unless it goes on beyond."""
        if not self.entries or self.entries[-1].position < position:
            return self
        return History(self.own_position, (e for e in self.entries if e.position < position))

    def would_keep(self, entry: Entry) -> bool:
        """Whether an entry behind all others says something new."""
        said = entry[1:5]
        for known in self.entries:
            if known[1:5] == said:
                return False
        return (
            len(self.entries) < MAX_ENTRIES
            or then(self.outcome, entry, self.own_position) != self.outcome
        )


def own_entries(messages: Messages) -> list[Entry]:
    """The own entries of messages that have no other one.

    A row says all of them, but for the price of a canceled message: `needs_history` keeps that.
    """
    prices = np.where(
        messages["cost_source"] == COST_SOURCES["provider"], messages["base_micros"], -1
    ).tolist()
    codes, flags = messages["error_code"].tolist(), messages["has_error"].tolist()
    is_exempt = (
        (messages["status"] == _FAILED)
        & (messages["failed_fee_micros"] == 0)
        & (messages["rate_failed_micros"] != 0)
    )
    return [
        Entry(position, status, code if has_error else None, None if price < 0 else price, at, free)
        for position, status, code, has_error, price, at, free in zip(
            messages["position"].tolist(),
            messages["status"].tolist(),
            codes,
            flags,
            prices,
            messages["occurred_ms"].tolist(),
            is_exempt.tolist(),
            strict=True,
        )
    ]


def with_outcomes(messages: Messages, outcomes: Sequence[Outcome]) -> Messages:
    """A copy of messages in other states, each priced from its own rates."""
    changed = messages.copy()
    if not outcomes:
        return changed
    status, codes, is_exempt, prices, _, delivered = zip(*outcomes, strict=True)
    changed["status"] = status
    changed["has_error"] = [code is not None for code in codes]
    changed["error_code"] = [code or 0 for code in codes]
    provider = np.array([-1 if price is None else price for price in prices], np.int64)
    set_costs(changed, provider, np.array(is_exempt, np.bool_))
    changed["cost_source"][provider >= 0] = COST_SOURCES["provider"]
    is_outbound = changed["direction"] == DIRECTIONS["outbound"]
    took = [-1 if at is None else at for at in delivered]
    latency = np.maximum(np.array(took, np.int64) - changed["occurred_ms"], 0)
    has_latency = is_outbound & np.array([at is not None for at in delivered])
    changed["latency_ms"] = np.where(has_latency, latency, -1)
    return changed
