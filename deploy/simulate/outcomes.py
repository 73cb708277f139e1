"""What becomes of messages: statuses and error codes in plausible shares.

Codes and their meaning: Twilio's error dictionary. 39999 is in no dictionary: unknown codes must
pass through. 30008 and 30036 are exempt from the failed-message fee, 21408 and 30450 too.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from deploy.simulate.population import Floats

Words = NDArray[np.object_]

_SENT_ON = {
    "delivered": 0.938,
    "sent": 0.04,
    "read": 0.008,
    "partially_delivered": 0.002,
    "sending": 0.003,
    "queued": 0.004,
    "accepted": 0.002,
    "scheduled": 0.001,
    "canceled": 0.002,
}
_BAD = {"undelivered": 0.72, "failed": 0.28}
_INBOUND = {"received": 0.985, "read": 0.01, "receiving": 0.005}
FREE_OR_OPEN = frozenset({"failed", "canceled", "sending", "queued", "accepted", "scheduled"})
"""Statuses that bear no price: the provider charges nothing, or has not charged yet."""

_CODE_SHARES: dict[str, dict[int | None, float]] = {
    "undelivered": {
        30003: 0.36,
        30005: 0.18,
        30006: 0.12,
        30007: 0.12,
        30008: 0.1,
        30004: 0.05,
        30034: 0.04,
        39999: 0.01,
        None: 0.02,
    },
    "failed": {
        21610: 0.3,
        21211: 0.16,
        21614: 0.12,
        30034: 0.1,
        30008: 0.08,
        21408: 0.06,
        30450: 0.06,
        30036: 0.05,
        30001: 0.04,
        None: 0.03,
    },
}

_ERRORS = {
    status: (list(shares), list(accumulate(shares.values())))
    for status, shares in _CODE_SHARES.items()
}


def _draw(rng: np.random.Generator, shares: dict[str, float], count: int) -> Words:
    chances = np.array(list(shares.values()))
    picks = rng.choice(len(shares), count, p=chances / chances.sum())
    return np.array(list(shares), dtype=object)[picks]


def statuses(
    rng: np.random.Generator, is_inbound: NDArray[np.bool_], failure_ratio: Floats
) -> Words:
    """The final status of each message, given the share of failures of its user."""
    count = len(is_inbound)
    bad = rng.random(count) < failure_ratio
    outbound = np.where(bad, _draw(rng, _BAD, count), _draw(rng, _SENT_ON, count))
    words: Words = np.where(is_inbound, _draw(rng, _INBOUND, count), outbound)
    return words


def error_code(status: str, chance: float) -> int | None:
    """The error code that goes with a status: a few failures name none, other statuses never.

    `chance` (0 ≤ c < 1) is the draw among the codes.
    """
    if status not in _ERRORS:
        return None
    codes, edges = _ERRORS[status]
    return codes[bisect_right(edges, chance * edges[-1])]
