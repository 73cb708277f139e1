"""ClickHouse for the routes: a bounded pool of clients, each used by one thread at a time.

clickhouse-connect's client blocks and serialises its calls, so queries run in threads, as many as
there are clients. A failure becomes `UnavailableError` where asking again may help and stays
an error where it is not. A client that failed is dropped; the next query makes a new one.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import Empty, LifoQueue
from time import perf_counter
from typing import Any, NoReturn, TypeVar
from uuid import uuid4

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import (
    ClickHouseError,
    OperationalError,
    StreamFailureError,
)

from query_api.errors import UnavailableError
from query_api.killing import ERRORS, Killer
from query_api.metrics import Metrics
from query_api.questions import Columns, Rows
from query_api.settings import ApiSettings
from schemas.native_answers import blocks, joined
from schemas.settings import clickhouse_arguments

log = logging.getLogger("query_api")

T = TypeVar("T")

# Numbers from ClickHouse's ErrorCodes.cpp.
_REASONS = (
    dict.fromkeys((158, 159, 160, 241, 307, 396), "limit")
    | dict.fromkeys((202, 203, 209, 210, 236, 279, 394), "busy")
    | dict.fromkeys((192, 193, 194, 497, 516), "login")
    | dict.fromkeys((60, 81), "tables")
)
_DETAILS = {
    "unreachable": "The database cannot be reached.",
    "busy": "The database is too busy.",
    "limit": "The question takes more time or memory than one answer may; ask for a shorter range.",
    "login": "The database refuses this API's login.",
    "tables": "The database has no tables yet; migrations have to be applied.",
}
_TRANSPORT = (OperationalError, StreamFailureError)
_TEXT_CHARACTERS = 200


class ClickHousePool:
    """Answers SQL questions, at most `size` at a time (`pool_size` unless given)."""

    def __init__(self, settings: ApiSettings, metrics: Metrics, size: int | None = None) -> None:
        size = size or settings.pool_size
        self._settings = settings
        self._metrics = metrics
        self._idle: LifoQueue[Client] = LifoQueue()
        self._turns = asyncio.Semaphore(size)
        self._threads = ThreadPoolExecutor(size, "clickhouse")
        self._killer = Killer(partial(connect, settings), metrics)
        self._given_up: set[str] = set()

    def has_room(self) -> bool:
        """Whether a query would begin at once."""
        return not self._turns.locked()

    async def ask(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Rows:
        """The rows that `sql` gives for typed `parameters`; raises `UnavailableError`.

        Cancelled, it ends the query too.
        """

        def query(client: Client, **asked: Any) -> Rows:
            return list(client.query(sql, **asked).named_results())

        return await self._query(question, query, parameters)

    async def columns(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Columns:
        """The columns of the rows; as `ask` otherwise."""

        def query(client: Client, **asked: Any) -> Columns:
            return columns_of(client, sql, **asked)

        return await self._query(question, query, parameters)

    async def _query(
        self, question: str, query: Callable[..., T], parameters: Mapping[str, Any]
    ) -> T:
        query_id = uuid4().hex
        asked = {"parameters": dict(parameters), "settings": {"query_id": query_id}}
        return await self._in_turn(question, lambda client: query(client, **asked), query_id)

    async def write(self, table: str, lines: bytes) -> None:
        """Append rows, JSON objects a line, to a table; raises `UnavailableError`."""

        def insert(client: Client) -> None:
            client.raw_insert(table, insert_block=lines, fmt="JSONEachRow")

        await self._in_turn(f"write_{table}", insert)

    async def _in_turn(
        self, question: str, step: Callable[[Client], T], query_id: str | None = None
    ) -> T:
        """What `step` gives with a client of its own, once there is one.

        Cancelled, it ends the query of `query_id`; without that the step goes on.
        """
        try:
            # With `asyncio.timeout`, which lets nobody else go on here, some connections waited ten
            # seconds and longer while a thousand clients asked at once.
            await asyncio.wait_for(self._turns.acquire(), self._settings.pool_wait_s)
        except TimeoutError:
            self._metrics.query_failures.labels(question, "pool").inc()
            raise UnavailableError(
                "Too many questions are being answered at the moment.", reason="pool"
            ) from None
        loop = asyncio.get_running_loop()
        work = self._threads.submit(self._run, question, step, query_id)

        def end_turn(_: Future[T]) -> None:
            self._given_up.discard(query_id or "")
            loop.call_soon_threadsafe(self._turns.release)

        # The turn ends when the thread is free again, even if nobody waits for it any more.
        work.add_done_callback(end_turn)
        try:
            return await asyncio.wrap_future(work)
        except asyncio.CancelledError:
            if query_id is not None:
                self._given_up.add(query_id)
                if work.done():  # `end_turn` may have come before.
                    self._given_up.discard(query_id)
                else:
                    self._killer.end(question, query_id, work.done)
            raise

    def _run(self, question: str, step: Callable[[Client], T], query_id: str | None) -> T:
        begin = perf_counter()
        with self._metrics.pool_in_use.track_inprogress():
            try:
                found = self._with_client(step)
            except ERRORS as error:
                if query_id in self._given_up:
                    raise
                failed(self._settings, self._metrics, question, error)
        self._metrics.query_seconds.labels(question).observe(perf_counter() - begin)
        return found

    def _with_client(self, step: Callable[[Client], T]) -> T:
        client = self._idle_client() or connect(self._settings)
        try:
            found = step(client)
        except BaseException:
            client.close()
            raise
        self._idle.put(client)
        return found

    def _idle_client(self) -> Client | None:
        try:
            return self._idle.get_nowait()
        except Empty:
            return None

    def close(self) -> None:
        """Wait for the running queries and close every client."""
        self._killer.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        while not self._idle.empty():
            self._idle.get_nowait().close()


def columns_of(client: Client, sql: str, **asked: Any) -> Columns:
    """The columns of the rows that a client gives; raises one of `ERRORS`."""
    answer = client.raw_query(sql, fmt="Native", **asked)
    try:
        return joined(list(blocks(io.BytesIO(answer))))
    except (EOFError, ValueError, OverflowError, MemoryError) as error:
        # An error in the middle of an answer is text, of which any number can be read.
        raise StreamFailureError(f"ClickHouse's answer is not whole: {error}") from error


def failed(settings: ApiSettings, metrics: Metrics, question: str, error: Exception) -> NoReturn:
    """Count and log a failure; raise it as `UnavailableError` where asking again may help."""
    reason, cause = _reason(error), _cause(settings, error)
    metrics.query_failures.labels(question, reason).inc()
    log.warning("%s failed (%s): %s", question, reason, cause)
    if reason == "error":
        raise error
    raise UnavailableError(_DETAILS[reason], reason=reason, cause=cause) from error


def _cause(settings: ApiSettings, error: Exception) -> str:
    """One line for operators: what ClickHouse says, or why nothing could be heard from it."""
    if getattr(error, "code", None) is not None:
        return _one_line(error)
    where = clickhouse_arguments(settings.clickhouse_url)
    root: BaseException = error
    while inner := root.__cause__ or root.__context__:
        root = inner
    return f"{where['host']}:{where['port']}: {_one_line(root)}"


def connect(settings: ApiSettings, max_seconds: int | None = None) -> Client:
    """A client with the limits of one query, of `max_seconds` if given; raises one of `ERRORS`."""
    max_seconds = max_seconds or settings.query_max_seconds
    return clickhouse_connect.get_client(
        **clickhouse_arguments(settings.clickhouse_url),
        connect_timeout=settings.connect_timeout_s,
        # A server that does not keep its own limit is given up a little later.
        send_receive_timeout=max_seconds + 2,
        query_retries=0,
        autogenerate_session_id=False,
        dedicated_pool=True,
        settings={
            "max_execution_time": max_seconds,
            "max_memory_usage": settings.query_max_memory_bytes,
            "max_rows_to_read": settings.query_max_rows,
            # No key occurs in two months, since every table is partitioned by a key column.
            "do_not_merge_across_partitions_select_final": 1,
        },
    )


def _reason(error: Exception) -> str:
    """Why a query failed: a key of `_DETAILS`, or `error` where asking again cannot help."""
    code = getattr(error, "code", None)
    if code is None:
        is_transport = not isinstance(error, ClickHouseError) or type(error) in _TRANSPORT
        return "unreachable" if is_transport else "error"
    return _REASONS.get(code, "error")


def _one_line(error: BaseException) -> str:
    """The beginning of an error's text, for a log line or a health check."""
    return " ".join(str(error).split())[:_TEXT_CHARACTERS]
