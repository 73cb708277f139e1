"""Message statuses (Twilio's vocabulary), their ranks and outcomes; contract section 3.

One order holds both ranks of the contract: outbound `accepted < … < delivered < read` and
inbound `receiving < received < read` are both subsequences of `STATUSES`.
"""

from __future__ import annotations

STATUSES: tuple[str, ...] = (
    "accepted",
    "scheduled",
    "queued",
    "sending",
    "sent",
    "receiving",
    "partially_delivered",
    "canceled",
    "failed",
    "undelivered",
    "delivered",
    "received",
    "read",
)
"""In rising rank: a message's current status is the highest one of its history."""

RANK: dict[str, int] = {status: rank for rank, status in enumerate(STATUSES)}

SETTLED_GOOD = frozenset({"delivered", "received", "read"})
SETTLED_BAD = frozenset({"failed", "undelivered"})
CANCELED = frozenset({"canceled"})
IN_FLIGHT = frozenset(STATUSES) - SETTLED_GOOD - SETTLED_BAD - CANCELED
