"""chDB, the ClickHouse engine in this process, behind two pools of connections.

Several connections to one path run at the same time while one connection serialises (measured);
readers and writers have pools of their own, so that neither waits for the other.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local import clickhouse_run
from deploy.local.clickhouse_request import Insert, Query, Request
from deploy.local.clickhouse_run import Answer
from deploy.local.clickhouse_session import Pool, Running, quoted

# chDB reads a bare word as `SELECT word`, and an insert may be acknowledged before it is stored
# (`async_insert`): a server as this product uses it does neither.
_BASE_SETTINGS = {"implicit_select": "0", "async_insert": "0"}


@dataclass(frozen=True)
class Limits:
    """What the engine may use: bytes for all queries, bytes for one, and queries at a time."""

    memory_bytes: int
    query_memory_bytes: int
    readers: int = 8
    writers: int = 4


class Engine:
    """The engine over one path. Every method may be called from any thread."""

    def __init__(self, path: Path, limits: Limits) -> None:
        url = (
            f"{path}?max_server_memory_usage={limits.memory_bytes}"
            f"&mark_cache_size={limits.memory_bytes // 8}"
        )
        base = {**_BASE_SETTINGS, "max_memory_usage": str(limits.query_memory_bytes)}
        self._readers = Pool("reader", limits.readers, url, base)
        self._writers = Pool("writer", limits.writers, url, base)
        self._control = Pool("control", 1, url, base)
        answer = self.run(Request(Query("SELECT version(), timezone()", "TSVRaw")), Running())
        self.version, self.timezone = bytes(answer.data).decode().strip().split("\t")

    def close(self, patience_s: float) -> None:
        """Close every connection that comes free in time, which ends the engine."""
        deadline = time.monotonic() + patience_s
        for pool in self._writers, self._readers, self._control:
            pool.close(deadline)

    def run(self, request: Request, running: Running) -> Answer:
        """Run a statement to its end. Raises ClickHouseError."""
        with self._connection(request, running) as connection:
            if isinstance(request.statement, Insert):
                return clickhouse_run.insert(connection, request.statement)
            return clickhouse_run.query(connection, request.statement, request.parameters)

    def stream(self, request: Request, running: Running) -> Generator[bytes | memoryview]:
        """Yield the answer of a SELECT while it runs; see `clickhouse_run.blocks`."""
        assert isinstance(request.statement, Query)
        with self._connection(request, running) as connection:
            yield from clickhouse_run.blocks(connection, request.statement, request.parameters)

    def cancel(self, running: Running) -> None:
        """Ask a query to end, if it still runs."""
        with running.held() as tag, self._control.lend() as session:
            if tag:
                kill = f"KILL QUERY WHERE Settings['log_comment'] = {quoted(tag)} ASYNC"
                clickhouse_run.query(session.connection, Query(kill, "TSV"), {})

    @contextmanager
    def _connection(self, request: Request, running: Running) -> Iterator[Any]:
        statement = request.statement
        pool = self._readers if statement.is_select else self._writers
        with pool.lend() as session:
            session.configure(request.database, request.settings)
            with running.on(session.tag):
                yield session.connection
            if statement.changes_session:
                session.renew()
