"""Long answers, passed on from ClickHouse as they come, in constant memory.

ClickHouse writes the rows itself (CSV, or JSON objects a line), so a download costs this process
one buffer, however long it is. Downloads have turns of their own: a client that reads slowly holds
one of few, and never a turn of the other questions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from clickhouse_connect.driver.client import Client

from query_api.clickhouse import ERRORS, connect, failed
from query_api.errors import UnavailableError
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

    async def rows(self, parts: Sequence[Part], form: str) -> AsyncGenerator[bytes]:
        """The rows of all parts in ClickHouse's format `form`, in chunks.

        Raises `UnavailableError`; after the first chunk that can only break the answer off.
        """
        try:
            await asyncio.wait_for(self._turns.acquire(), self._settings.pool_wait_s)
        except TimeoutError:
            raise UnavailableError(
                "Too many reports are being downloaded at the moment.", reason="pool"
            ) from None
        reader = _Reader(self._settings, self._metrics)
        try:
            for part in parts:
                await reader.run(reader.begin, part, form)
                while chunk := await reader.run(reader.read, part):
                    yield chunk
        finally:
            reader.leave()
            self._turns.release()


class _Reader:
    """One download's connection and the one thread that uses it."""

    def __init__(self, settings: ApiSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, "download")
        self._client: Client | None = None
        self._stream: _Readable | None = None

    async def run(self, step: Any, *arguments: Any) -> Any:
        """Run a step in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, step, *arguments)

    def begin(self, part: Part, form: str) -> None:
        """Send a part's query."""
        try:
            self._client = self._client or connect(
                self._settings, self._settings.report_max_seconds
            )
            stream: Any = self._client.raw_stream(
                part.sql, dict(part.parameters), settings=_FORMAT_SETTINGS, fmt=form
            )
            self._stream = stream
        except ERRORS as error:
            failed(self._settings, self._metrics, part.question, error)

    def read(self, part: Part) -> bytes:
        """The next chunk of the part's rows; empty at their end."""
        assert self._stream is not None
        try:
            return self._stream.read(_CHUNK_BYTES)
        except ERRORS as error:
            failed(self._settings, self._metrics, part.question, error)

    def leave(self) -> None:
        """Close everything behind the step that may still run: nobody waits for it."""
        self._thread.submit(self._close)
        self._thread.shutdown(wait=False)

    def _close(self) -> None:
        for open_ in (self._stream, self._client):
            if open_ is not None:
                # The server may be gone; closing is all that is wanted.
                with suppress(Exception):
                    open_.close()
