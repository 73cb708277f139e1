"""The issuer of tokens: its public keys, read in the background and kept while it is away.

A request never waits for the issuer's network but in one case, and then without holding anybody
else up: a token by a key that is not known yet, for the refresh that this may cause.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic
from typing import Any

from query_api.errors import UnavailableError
from query_api.fetching import fetch
from query_api.keys import Key, KeySet, key_set
from query_api.metrics import Metrics
from schemas.api.health import Check

log = logging.getLogger("query_api")

UNKNOWN_PAUSE_S = 10.0
"""At most one refresh in this time because of keys that are not known."""
PATIENCE_S = 2.0
"""How long a request waits for a refresh."""
_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 60.0
_TEXT_CHARACTERS = 200


class Issuer:
    """`TokenKeys` of a JWK Set at `url`; `run` is its task, `clock` gives epoch seconds."""

    def __init__(
        self,
        url: str,
        algorithms: Collection[str],
        refresh_s: float,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._url = url
        self._algorithms = frozenset(algorithms)
        self._refresh_s = refresh_s
        self._metrics = metrics
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "issuer")
        self._keys: KeySet = {}
        self._kids: frozenset[str] = frozenset()
        self._read_at = 0.0
        self._failure = "not read yet"
        self._reading: asyncio.Task[None] | None = None
        self._next_for_unknown = 0.0

    async def find(self, header: Mapping[str, Any]) -> Key | None:
        """The key that a token's header names; raises `UnavailableError` while none is known."""
        kid, algorithm = header.get("kid"), header.get("alg")
        if not isinstance(kid, str) or not isinstance(algorithm, str):
            return None
        if algorithm not in self._algorithms:
            return None
        if kid not in self._kids and self._may_read():
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await asyncio.shield(self._read())
        if not self._keys:
            raise UnavailableError(
                "The keys of tokens cannot be read at the moment.", reason="keys"
            )
        return self._keys.get((kid, algorithm))

    async def run(self) -> None:
        """Read the keys now and again."""
        retry_s = _FIRST_RETRY_S
        while True:
            await asyncio.shield(self._read())
            if self._failure:
                await asyncio.sleep(min(retry_s, self._refresh_s))
                retry_s = min(2 * retry_s, _LAST_RETRY_S)
            else:
                retry_s = _FIRST_RETRY_S
                await asyncio.sleep(self._refresh_s)

    async def check(self) -> Check:
        """The part of `/readyz`: without any key no token can be judged."""
        if not self._keys:
            return Check(name="tokens", status="failed", detail=f"no keys: {self._failure}")
        age = f"{len(self._keys)} keys, read {max(0.0, self._clock() - self._read_at):.0f} s ago"
        if self._failure:
            detail = f"{age}, are kept: {self._failure}"
            return Check(name="tokens", status="degraded", detail=detail)
        return Check(name="tokens", status="ok", detail=age)

    def close(self) -> None:
        """Give up a fetch that may still run."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _may_read(self) -> bool:
        """Whether an unknown key may wait for a refresh: one that runs, or one that is due."""
        if self._reading is not None:
            return True
        if monotonic() < self._next_for_unknown:
            return False
        self._next_for_unknown = monotonic() + UNKNOWN_PAUSE_S
        return True

    def _read(self) -> asyncio.Task[None]:
        """The refresh under way, or a new one."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._replace())
            self._reading.add_done_callback(self._end_reading)
        return self._reading

    def _end_reading(self, _: asyncio.Task[None]) -> None:
        self._reading = None

    async def _replace(self) -> None:
        """Take the issuer's present keys, or keep those of before."""
        loop = asyncio.get_running_loop()
        try:
            document = await loop.run_in_executor(self._thread, fetch, self._url)
            keys = key_set(document, self._algorithms)
        # Whatever an issuer sends must not end the reading.
        except Exception as error:
            self._failure = " ".join(str(error).split())[:_TEXT_CHARACTERS]
            self._metrics.jwks_refreshes.labels("failed").inc()
            log.warning("the keys of tokens cannot be read: %s", self._failure)
            return
        self._keys, self._kids = keys, frozenset(kid for kid, _ in keys)
        self._read_at, self._failure = self._clock(), ""
        self._metrics.jwks_refreshes.labels("ok").inc()
        self._metrics.jwks_keys.set(len(keys))
        self._metrics.jwks_read_at.set(self._read_at)
