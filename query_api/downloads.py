"""Long answers, passed on from ClickHouse as they come, in constant memory.

ClickHouse writes the rows itself (CSV, or JSON objects a line), so a download costs this process
one buffer, however long it is. Downloads have turns of their own: a client that reads slowly holds
one of few, and never a turn of the other questions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, Protocol
from uuid import uuid4

from clickhouse_connect.driver.client import Client

from query_api.clickhouse import connect, failed
from query_api.errors import UnavailableError
from query_api.killing import ERRORS, Killer
from query_api.metrics import Metrics
from query_api.settings import ApiSettings

_CHUNK_BYTES = 256 * 1024
_FORMAT_SETTINGS = {
    "output_format_csv_crlf_end_of_line": 1,
    "format_csv_null_representation": "",
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_decimals": 0,
}


@dataclass(frozen=True)
class Part:
    """One query of a download; its rows follow those of the part before."""

    question: str
    sql: str
    parameters: Mapping[str, Any]


class _Readable(Protocol):
    def read(self, amount: int) -> bytes: ...
    def close(self) -> None: ...


class Downloads:
    """Streams the rows of queries, at most `report_streams` downloads at a time."""

    def __init__(self, settings: ApiSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._turns = asyncio.Semaphore(settings.report_streams)
        self._killer = Killer(partial(connect, settings), metrics)

    async def rows(self, parts: Sequence[Part], form: str) -> AsyncGenerator[bytes]:
        """The rows of all parts in ClickHouse's format `form`, in chunks.

        Raises `UnavailableError`; after the first chunk that can only break the answer off.
        """
        try:
            async with asyncio.timeout(self._settings.pool_wait_s):
                await self._turns.acquire()
        except TimeoutError:
            raise UnavailableError(
                "Too many reports are being downloaded at the moment.", reason="pool"
            ) from None
        reader = _Reader(self._settings, self._metrics, self._killer)
        try:
            for part in parts:
                reader.part, reader.query_id = part, uuid4().hex
                await reader.run(reader.begin, form)
                while chunk := await reader.run(reader.read):
                    yield chunk
        finally:
            reader.leave()
            self._turns.release()

    def close(self) -> None:
        """End the queries that nobody waits for."""
        self._killer.close()


class _Reader:
    """One download's connection and the one thread that uses it."""

    part: Part
    query_id: str

    def __init__(self, settings: ApiSettings, metrics: Metrics, killer: Killer) -> None:
        self._settings = settings
        self._metrics = metrics
        self._killer = killer
        self._thread = ThreadPoolExecutor(1, "download")
        self._client: Client | None = None
        self._stream: _Readable | None = None
        self._step: Future[Any] | None = None
        self._has_left = False

    async def run(self, step: Any, *arguments: Any) -> Any:
        """Run a step in the thread."""
        self._step = self._thread.submit(step, *arguments)
        return await asyncio.wrap_future(self._step)

    def begin(self, form: str) -> None:
        """Send a part's query."""
        settings = _FORMAT_SETTINGS | {"query_id": self.query_id}
        try:
            self._client = self._client or connect(
                self._settings, self._settings.report_max_seconds
            )
            stream: Any = self._client.raw_stream(
                self.part.sql, dict(self.part.parameters), settings=settings, fmt=form
            )
            self._stream = stream
        except ERRORS as error:
            self._failed(error)

    def read(self) -> bytes:
        """The next chunk of the part's rows; empty at their end."""
        assert self._stream is not None
        try:
            return self._stream.read(_CHUNK_BYTES)
        except ERRORS as error:
            self._failed(error)

    def _failed(self, error: Exception) -> NoReturn:
        if self._has_left:
            raise error
        failed(self._settings, self._metrics, self.part.question, error)

    def leave(self) -> None:
        """End the step that may still run, and close everything behind it: nobody waits for it."""
        self._has_left = True
        if self._step is not None and not self._step.done():
            self._killer.end(self.part.question, self.query_id, self._step.done)
        self._thread.submit(self._close)
        self._thread.shutdown(wait=False)

    def _close(self) -> None:
        for open_ in (self._stream, self._client):
            if open_ is not None:
                # The server may be gone; closing is all that is wanted.
                with suppress(Exception):
                    open_.close()
