"""How often somebody may ask: token buckets, one for each user or address.

A bucket holds as many tokens as may be used in a minute and fills evenly (RFC 6585's 429; headers
as in the IETF draft `RateLimit-*`). They are in Redis where there is one, so that all API processes
count together, else, and whenever Redis fails, in the memory of each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Generic, TypeVar

from redis.asyncio import Redis

from query_api.errors import TooManyRequestsError
from query_api.redis_link import RedisLink

Key = TypeVar("Key", int, str)
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
    def headers(self) -> dict[bytes, bytes]:
        """For every answer that was counted, as they are sent."""
        return {
            b"ratelimit-limit": b"%d" % self.limit,
            b"ratelimit-remaining": b"%d" % self.remaining,
            b"ratelimit-reset": b"%d" % self.reset_s,
        }

    def check(self) -> None:
        """Raise `TooManyRequestsError` unless it is allowed."""
        if not self.is_allowed:
            raise TooManyRequestsError(
                f"At most {self.limit} requests a minute; ask again in {self.wait_s} s.",
                headers={"Retry-After": str(self.wait_s)},
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
        return _allowance(is_allowed, self._capacity, tokens)


def _allowance(is_allowed: bool, capacity: int, tokens: float) -> Allowance:
    rate = capacity / _MINUTE_S
    return Allowance(
        is_allowed,
        capacity,
        int(tokens),
        ceil((capacity - tokens) / rate),
        max(1, ceil((1 - tokens) / rate)),
    )


# By the clock of Redis, so that the clocks of the processes need not agree. Without use a bucket
# is full after a minute, and may be forgotten.
_TAKE = """
local capacity = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'since')
local since = tonumber(kept[2]) or now
local tokens = tonumber(kept[1]) or capacity
tokens = math.min(capacity, tokens + math.max(0, now - since) * capacity / 60)
local is_allowed = 0
if tokens >= 1 then
  is_allowed = 1
  tokens = tokens - 1
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens),
  'since', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], 61)
return {is_allowed, string.format('%.6f', tokens)}
"""


class Limiter(Generic[Key]):
    """The buckets of one kind of asker, such as `user`, shared by `link` where it is given."""

    def __init__(
        self, kind: str, per_minute: int, clock: Callable[[], float], link: RedisLink | None
    ) -> None:
        self._kind = kind
        self._capacity = per_minute
        self._own: Buckets[Key] = Buckets(per_minute, clock)
        self._link = link

    async def take(self, key: Key) -> Allowance | None:
        """Use one token of a bucket; None where there is no limit."""
        if self._link is None or not self._capacity:
            return self._own.take(key)
        name, capacity = f"sms:limit:{self._kind}:{key}", self._capacity

        async def take(redis: Redis) -> tuple[int, bytes]:
            is_allowed, tokens = await redis.eval(_TAKE, 1, name, str(capacity))
            return is_allowed, tokens

        taken = await self._link.run("limits", take)
        if taken is None:
            return self._own.take(key)
        return _allowance(bool(taken[0]), capacity, float(taken[1]))
