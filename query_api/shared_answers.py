"""Kept answers that API processes share by Redis, sealed, so that Redis cannot change a number.

A key's name says nothing: it is a hash under the API's own key. Entries leave by themselves after
the quarter of an hour that their keys are for.
"""

from __future__ import annotations

import hmac
from collections.abc import Hashable
from hashlib import blake2b
from typing import Any

from redis.asyncio import Redis

from query_api.cache import Kept
from query_api.redis_link import RedisLink
from query_api.zones import BUCKET_S

_SEAL_BYTES = 16
_MAX_BYTES = 1_000_000


class RedisAnswers:
    """`SharedAnswers` in Redis; `scope` says of which database and release the answers are."""

    def __init__(self, link: RedisLink, secret: bytes, scope: str) -> None:
        self._link = link
        self._secret = secret
        self._scope = scope

    async def get(self, key: Hashable) -> Kept | None:
        """The answer of a key, if there is one whose seal is right."""
        name = self._name(key)

        async def read(redis: Redis) -> Any:
            return await redis.get(name)

        sealed = await self._link.run("cache", read)
        if not sealed:
            return None
        seal, body = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
        return Kept.of_body(body) if hmac.compare_digest(seal, self._seal(name, body)) else None

    async def put(self, key: Hashable, kept: Kept) -> None:
        """Keep an answer, unless it is large."""
        if len(kept.body) > _MAX_BYTES:
            return
        name = self._name(key)
        sealed = self._seal(name, kept.body) + kept.body

        async def write(redis: Redis) -> None:
            await redis.set(name, sealed, ex=BUCKET_S)

        await self._link.run("cache", write)

    def _name(self, key: Hashable) -> str:
        # Keys are tuples of bytes, numbers and tuples of these: their text is the same everywhere.
        text = repr((self._scope, key)).encode()
        return f"sms:answer:{blake2b(text, digest_size=24, key=self._secret).hexdigest()}"

    def _seal(self, name: str, body: bytes) -> bytes:
        text = name.encode() + body
        return blake2b(text, digest_size=_SEAL_BYTES, key=self._secret, person=b"seal").digest()
