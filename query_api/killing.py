"""Ends the queries that nobody waits for any more.

By their id, over a connection of their own: a server ends a query whose client has gone only
sometimes, and only when it next looks. A login may end its own queries without a right to do so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from query_api.metrics import Metrics

log = logging.getLogger("query_api")

ERRORS = (ClickHouseError, OSError, HTTPError)
"""What a client may raise; the last one from within a stream."""
_PAUSES_S = (0.0, 0.1, 0.5, 2.0)
"""Before each attempt: a query may not have reached the server at the first."""


class Killer:
    """Ends queries in the background; `connect` makes a client."""

    def __init__(self, connect: Callable[[], Client], metrics: Metrics) -> None:
        self._connect = connect
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, "killer")
        self._client: Client | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def end(self, question: str, query_id: str, has_ended: Callable[[], bool]) -> None:
        """Have a query ended; `has_ended` tells that its thread is free again."""
        self._metrics.queries_cancelled.labels(question).inc()
        task = asyncio.create_task(self._end(query_id, has_ended))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, query_id: str, has_ended: Callable[[], bool]) -> None:
        for pause_s in _PAUSES_S:
            await asyncio.sleep(pause_s)
            if has_ended():
                return
            await asyncio.get_running_loop().run_in_executor(self._thread, self._kill, query_id)

    def _kill(self, query_id: str) -> None:
        try:
            self._client = self._client or self._connect()
            # The id is one of ours: hexadecimal digits.
            self._client.command(f"KILL QUERY WHERE query_id = '{query_id}' ASYNC")
        except ERRORS as error:
            log.warning("a query cannot be ended: %s", " ".join(str(error).split())[:200])
            self._close()

    def _close(self) -> None:
        if self._client is not None:
            # The server may be gone; closing is all that is wanted.
            with suppress(*ERRORS):
                self._client.close()
            self._client = None

    def close(self) -> None:
        """Give up what waits, and close the connection behind the attempt that may run."""
        for task in self._tasks:
            task.cancel()
        self._thread.submit(self._close)
        self._thread.shutdown(wait=False)
