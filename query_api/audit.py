"""The audit log's writer: entries of many requests in one insert.

An admin's answer waits until its entry is written, so that none is given unseen; a refusal does
not wait, and is written as soon as ClickHouse takes it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Protocol

from query_api.errors import UnavailableError
from query_api.metrics import Metrics

log = logging.getLogger("query_api")

TABLE = "audit_log"
MAX_WAITING = 10_000
"""Refusals held while ClickHouse does not take them; more are counted and dropped."""
_BATCH = 1000
_LINGER_S = 0.2
_RETRY_S = 1.0


@dataclass(frozen=True)
class Entry:
    """A row of `audit_log`; `at` in epoch seconds, 0 for no actor or subject."""

    at: float
    entry_id: str
    request_id: str
    actor_id: int
    roles: tuple[str, ...]
    method: str
    route: str
    subject_id: int
    decision: str
    status: int


class Writer(Protocol):
    """What takes rows: `ClickHousePool`, or a test's."""

    async def write(self, table: str, lines: bytes) -> None: ...


class Auditor:
    """Writes entries in order; `run` is its task, for as long as the app lives."""

    def __init__(self, writer: Writer, metrics: Metrics) -> None:
        self._writer = writer
        self._metrics = metrics
        self._waiting: list[tuple[Entry, asyncio.Future[None] | None]] = []
        self._wake = asyncio.Event()

    async def record(self, entry: Entry) -> None:
        """Return when the entry is written; raises `UnavailableError` when it cannot be."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, written))
        self._wake.set()
        await written

    def note(self, entry: Entry) -> None:
        """Have the entry written sometime soon."""
        if len(self._waiting) >= MAX_WAITING:
            self._metrics.audit_dropped.inc()
            return
        self._waiting.append((entry, None))
        self._wake.set()

    async def run(self) -> None:
        """Write what is waiting, again and again."""
        while True:
            await self._wake.wait()
            if not any(written for _, written in self._waiting):
                await asyncio.sleep(_LINGER_S)
            if not await self.flush():
                await asyncio.sleep(_RETRY_S)
            if not self._waiting:
                self._wake.clear()

    async def flush(self) -> bool:
        """Write one batch; whether that went well. Refusals of a failed one wait on."""
        batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
        if not batch:
            return True
        failure: Exception | None = None
        try:
            await self._writer.write(TABLE, b"\n".join(_line(entry) for entry, _ in batch))
        except Exception as error:
            log.warning("%d audit entries cannot be written: %s", len(batch), error)
            failure = error
            self._waiting = [item for item in batch if item[1] is None] + self._waiting
        for _, written in batch:
            # Who asked may have left.
            if written is not None and not written.done():
                if failure is None:
                    written.set_result(None)
                else:
                    written.set_exception(_unavailable(failure))
        return failure is None

    async def close(self) -> None:
        """The last attempt, when the app ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_RETRY_S):
                while self._waiting and await self.flush():
                    pass


def _line(entry: Entry) -> bytes:
    return json.dumps(asdict(entry) | {"at": f"{entry.at:.3f}"}).encode()


def _unavailable(failure: Exception) -> UnavailableError:
    if isinstance(failure, UnavailableError):
        return failure
    return UnavailableError("This request cannot be audited at the moment.", reason="error")
