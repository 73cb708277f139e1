"""How often somebody may ask: token buckets in memory, one for each user or address.

A bucket holds as many tokens as may be used in a minute and fills evenly (RFC 6585's 429; headers
as in the IETF draft `RateLimit-*`). Each API process counts for itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Generic, TypeVar

from query_api.errors import TooManyRequestsError

Key = TypeVar("Key")
_MINUTE_S = 60
MAX_BUCKETS = 100_000
"""Of these the one that was used longest ago is forgotten: it has filled up meanwhile."""


@dataclass(frozen=True)
class Allowance:
    """What is left to somebody: `reset_s` until one is full again, `wait_s` until the next."""

    is_allowed: bool
    limit: int
    remaining: int
    reset_s: int
    wait_s: int

    @property
    def headers(self) -> dict[str, str]:
        """For every answer that was counted."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_s),
        }

    def check(self) -> None:
        """Raise `TooManyRequestsError` unless it is allowed."""
        if not self.is_allowed:
            headers = self.headers | {"Retry-After": str(self.wait_s)}
            raise TooManyRequestsError(
                f"At most {self.limit} requests a minute; ask again in {self.wait_s} s.",
                headers=headers,
            )


class Buckets(Generic[Key]):
    """Token buckets of `per_minute` tokens each; 0 lets everything through uncounted."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._capacity = per_minute
        self._clock = clock
        # Tokens, and when they were counted.
        self._levels: OrderedDict[Key, tuple[float, float]] = OrderedDict()

    def take(self, key: Key) -> Allowance | None:
        """Use one token of a bucket; None where there is no limit."""
        if not self._capacity:
            return None
        now = self._clock()
        tokens, since = self._levels.pop(key, (float(self._capacity), now))
        rate = self._capacity / _MINUTE_S
        tokens = min(self._capacity, tokens + max(0.0, now - since) * rate)
        is_allowed = tokens >= 1
        tokens -= is_allowed
        self._levels[key] = (tokens, now)
        if len(self._levels) > MAX_BUCKETS:
            self._levels.popitem(last=False)
        return Allowance(
            is_allowed,
            self._capacity,
            int(tokens),
            ceil((self._capacity - tokens) / rate),
            max(1, ceil((1 - tokens) / rate)),
        )
