"""The worker process: ties the Faust app, the reader, the rules and the sink together.

Anything unexpected ends the process at once (`os._exit`), before an offset can be committed for
work that was not done; a supervisor starts it again. Run it with `python -m streams.worker`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NoReturn, TypeVar

from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import KafkaException
from faust.types import TP
from prometheus_client import start_http_server
from pydantic import ValidationError

from schemas.rows import CELL_TABLES
from schemas.topics import USAGE
from streams import librdkafka, metrics
from streams.app import create_app, working_sets
from streams.clickhouse import Deaths, Store, connect
from streams.continuity import gone_unread, refuse_another_log
from streams.core.erasure import StubSids
from streams.core.seen import SidFilter
from streams.core.warming import compile_loops
from streams.counting import CountingFolder
from streams.dead_letters import DeadLetterProducer
from streams.erasing import Eraser
from streams.erasures import ErasureTable
from streams.errors import AbandonedError, PoisonRecordError, WorkerStoppedError
from streams.folding import Folder
from streams.intake import Chunk
from streams.loading import Loader
from streams.memory import keep_freed_memory
from streams.reader import Log, Reader
from streams.reference import ReferenceData
from streams.removal import Removal
from streams.retention import apply_retention
from streams.settings import WorkerSettings
from streams.sink import Sink
from streams.working_set import Snapshot

logger = logging.getLogger(__name__)

_HEARTBEAT_S = 1.0
_LOOK_AGAIN_S = 30.0
_LOOK_EVERY_S = 0.1
_REMOVAL_TIMEOUT_S = 600.0
_CATCHING_UP_S = 5.0
_DRAIN_S = 8.0
_READY_WITHIN_S = 180.0
EXIT_FAILED = 70

T = TypeVar("T")


class Worker:
    """One member of the consumer group. All methods run in the event loop."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._log = Log(settings.bootstrap_servers)
        self._identity = topic_id, partitions = self._log.describe()
        sids = SidFilter(settings.sid_filter_mb)
        self._halting = threading.Event()
        store = Store(connect(settings.clickhouse_url, settings.insert_timeout_s), self._halting)
        self._store = store
        self._reference = ReferenceData(settings)
        self._reader = Reader(settings.bootstrap_servers, settings.consumer_group)
        self._loader = Loader(store, self._log, self._reader, sids, settings)
        stub_of = StubSids(settings.privacy_key).of
        folder = Folder if settings.output == "all" else CountingFolder
        self._folder = folder(store, sids, self._reference, stub_of)
        erasures = ErasureTable(lambda: connect(settings.clickhouse_url, settings.insert_timeout_s))
        self._eraser = Eraser(erasures, self._reference, self._identity, stub_of)
        self._removal = Removal(
            lambda: connect(settings.clickhouse_url, _REMOVAL_TIMEOUT_S), stub_of
        )
        self._removing: asyncio.Task[None] | None = None
        self._to_remove: set[int] = set()
        self._looked_at = 0.0
        self._rested_s = 0.0
        self._sink = Sink(
            lambda: connect(settings.clickhouse_url, settings.insert_timeout_s),
            DeadLetterProducer(settings.bootstrap_servers),
            topic_id,
            partitions,
        )
        self.app = create_app(settings, self, partitions)
        self._states = working_sets(self.app)
        self._generation = 0
        self._abandoned = threading.Event()
        self._unready_since: float | None = time.monotonic()
        self._folding = asyncio.Lock()
        self._flushing = asyncio.Lock()
        self._room = asyncio.Event()
        self._room.set()
        self._flush_now = asyncio.Event()
        # One thread each: librdkafka's reader, the rules, the sink, and what removes erased rows.
        names = ("reader", "fold", "sink", "removal")
        self._threads = {name: ThreadPoolExecutor(1, name) for name in names}
        self._stopping = False

    async def start(self) -> None:
        """Look whether the log goes on, load what is needed and join the group.

        Before that the tables get the retention of the settings.
        """
        await self._in("sink", self._retain)
        await self._in("reader", self._loader.check)
        await self._in("reader", librdkafka.compile_loops)
        await self._in("fold", compile_loops)
        await self._in("fold", self._reference.load)
        # Faust cannot be unwound once it has begun to start: without a broker it has to die.
        await self._guard(self.app.start())

    def _retain(self) -> None:
        settings = self._settings
        with connect(settings.clickhouse_url, settings.insert_timeout_s) as client:
            for sentence in apply_retention(client, settings):
                logger.info("%s", sentence)

    async def drain(self) -> None:
        """Stop reading, make durable what was folded, commit it and leave the group."""
        self._stopping = True
        self._halting.set()
        await self._in("reader", self._reader.stop)
        if self._states:
            await self._flush_once()
            await self.app.consumer.commit()
        await self.app.stop()

    async def before_revoke(self) -> None:
        """The assignment ends: whatever is under way for it must not be used any more."""
        self._generation += 1
        self._abandoned.set()
        self._unready_since = time.monotonic()
        await self._in("reader", self._reader.stop)
        self._states.clear()
        self._room.set()
        metrics.PARTITIONS.set(0)

    async def on_assigned(self) -> None:
        """Faust has recovered its (empty) table: load the assigned partitions and read on."""
        self._abandoned.set()
        self._generation += 1
        generation, self._abandoned = self._generation, threading.Event()
        partitions = sorted(
            tp.partition for tp in self.app.consumer.assignment() if tp.topic == USAGE
        )
        self.app.loop.create_task(self._guard(self._begin(generation, partitions)))

    async def fold(self, chunk: Chunk) -> None:
        """Fold one chunk, unless its assignment has ended meanwhile."""
        await self._guard(self._fold(chunk))

    async def read(self) -> None:
        """Move chunks from librdkafka to the fold agent, no faster than it folds."""
        await self._guard(self._read())

    async def flush(self) -> None:
        """Make durable what was folded, every interval or sooner when there is much."""
        await self._guard(self._flush())

    async def _begin(self, generation: int, partitions: list[int]) -> None:
        async with self._folding:
            if generation != self._generation:
                return
            states = await self._in("reader", self._loader.load, partitions)
            if generation != self._generation:
                return
            try:
                await self._in("reader", self._eraser.load, states, self._abandoned)
            except AbandonedError:
                return
            self._states.update({state.partition: state for state in states})
            positions = {state.partition: state.next_offset for state in states}
            await self._in("reader", self._reader.begin, generation, positions)
        # Nothing on the way of an event forms cycles; walking the hot cells would only cost time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 1_000_000)
        self._unready_since = None
        self._looked_at = 0.0
        metrics.PARTITIONS.set(len(states))
        logger.info("folding partitions %s of generation %s", partitions, generation)

    async def _read(self) -> None:
        while not self._stopping:
            try:
                chunks = await self._in("reader", self._reader.poll)
            except WorkerStoppedError:
                await self._in("reader", self._loader.check)  # knows more, and the command
                raise
            for chunk in chunks:
                await self.app.chunks.put(chunk)

    async def _fold(self, chunk: Chunk) -> None:
        if not self._room.is_set():
            metrics.WAITING.set(1)
            await self._room.wait()
            metrics.WAITING.set(0)
        async with self._folding:
            state = self._states.get(chunk.partition)
            if chunk.generation != self._generation or state is None or self._stopping:
                metrics.DROPPED_CHUNKS.inc()
                return
            if chunk.offsets[0] < state.next_offset:
                chunk = chunk.since(state.next_offset)
                if not len(chunk.offsets):
                    return
            if chunk.offsets[0] > state.next_offset:
                await self._in("fold", self._check_gap, chunk, state.next_offset)
            await self._in("fold", self._folder.fold, state, chunk)
        pending = self._pending()
        metrics.PENDING.set(pending)
        if pending >= self._settings.flush_events:
            self._flush_now.set()
        if pending >= self._settings.max_pending_events:
            self._room.clear()

    def _check_gap(self, chunk: Chunk, expected: int) -> None:
        """Offsets may be missing only where transaction markers lay, never off the log's start."""
        first = self._log.starts([chunk.partition])[chunk.partition]
        if first > expected:
            raise gone_unread(chunk.partition, first, expected)
        there = self._log.next_record(chunk.partition, expected)
        began = int(chunk.offsets[0])
        if there < began:
            raise RuntimeError(
                f"partition {chunk.partition} of {USAGE}: the chunk begins at {began},"
                f" and record {there} was not folded"
            )
        metrics.SKIPPED_OFFSETS.inc(began - expected)

    async def _flush(self) -> None:
        heartbeat = 0.0
        while not self._stopping:
            await self._until_due()
            await self._erase()
            now = time.monotonic()
            is_idle = not any(state.pending for state in self._states.values())
            if not self._states or (is_idle and now - heartbeat < _HEARTBEAT_S):
                continue
            if now - heartbeat >= _HEARTBEAT_S:
                heartbeat = now
                await self._in("sink", self._look_at_ends)
            await self._flush_once()

    async def _until_due(self) -> None:
        """Wait until there is much to flush or the interval is over, which may become shorter:
        what is left when the end of the log is reached does not wait as if more came. What the last
        flush rested is part of it."""
        began, self._rested_s = time.monotonic() - self._rested_s, 0.0
        while (left := began + self._interval_s() - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(self._flush_now.wait(), min(left, _LOOK_EVERY_S))
                break
            except TimeoutError:
                self._watch()
        self._flush_now.clear()

    async def _erase(self) -> None:
        """Take up new requests for erasure, and look for what they may have left behind."""
        states = list(self._states.values())
        is_due = time.monotonic() - self._looked_at > _LOOK_AGAIN_S
        if not states or not (is_due or self._eraser.has_news(states)):
            return
        is_first, self._looked_at = not self._looked_at, time.monotonic()
        if not self._eraser.has_requests(is_first, time.time_ns() // 1_000_000):
            return
        async with self._flushing, self._folding:
            states, abandoned = list(self._states.values()), self._abandoned
            try:
                await self._in("sink", self._eraser.look_again, states, abandoned)
            except AbandonedError:
                return
        # Stubs that are in memory only are durable before anything is deleted.
        await self._flush_once()
        self._to_remove = {state.partition for state in states}
        if self._removing is None or self._removing.done():
            self._removing = asyncio.create_task(self._guard(self._remove()))

    async def _remove(self) -> None:
        """Remove erased rows from ClickHouse while everything else goes on."""
        while partitions := self._to_remove:
            self._to_remove = set()
            is_mine = partial(self._eraser.is_mine, partitions=partitions)
            try:
                gone = await self._in("removal", self._removal.run, is_mine, self._abandoned)
            except AbandonedError:
                return
            if gone:
                logger.info("%s rows of erased users were removed", gone)

    def _interval_s(self) -> float:
        """When behind, fewer and larger flushes: each writes every cell that changed, whole."""
        return self._settings.flush_interval_s if self._is_live() else _CATCHING_UP_S

    def _is_live(self) -> bool:
        behind = sum(state.end_offset - state.next_offset for state in self._states.values())
        return behind < self._settings.flush_events // 4

    async def _flush_once(self) -> None:
        async with self._flushing:
            async with self._folding:
                generation, abandoned = self._generation, self._abandoned
                snapshots = [state.snapshot() for state in self._states.values()]
            if not snapshots:
                return
            try:
                is_live = self._is_live() and not self._stopping
                flush = partial(self._sink.flush, snapshots, abandoned, is_live=is_live)
                self._rested_s = await self._in("sink", flush)
            except AbandonedError:
                return
            async with self._folding:
                if generation == self._generation:
                    self._acknowledge(snapshots)

    def _acknowledge(self, snapshots: list[Snapshot]) -> None:
        cells = self._settings.max_hot_cells // (3 * len(snapshots))
        messages = self._settings.max_recent_messages // len(snapshots)
        for snapshot in snapshots:
            state = self._states[snapshot.partition]
            for name, count in state.acknowledge(snapshot, cells, messages).items():
                metrics.EVICTED_CELLS.labels(name).inc(count)
            metrics.LAG.labels(state.partition).set(state.end_offset - state.durable_offset)
            self.app.consumer.durable[TP(USAGE, state.partition)] = snapshot.next_offset
        for name in CELL_TABLES:
            count = sum(len(state.tables[name]) for state in self._states.values())
            metrics.HOT_CELLS.labels(name).set(count)
        metrics.PENDING.set(self._pending())
        self._room.set()

    def _pending(self) -> int:
        return sum(state.pending for state in self._states.values())

    def _look_at_ends(self) -> None:
        """Where the log ends now, if it is still the same; asked before a flush, so that its
        `as_of` is true."""
        states = list(self._states.values())
        at_ms = time.time_ns() // 1_000_000
        try:
            identity = self._log.identity()
            ends = self._log.ends(state.partition for state in states)
        except KafkaException as error:
            metrics.RETRIES.labels("log_ends").inc()
            logger.warning("the log's end is not known now: %s", error.args[0].str())
            return
        refuse_another_log(self._identity, identity)
        for state in states:
            state.checked(ends[state.partition], at_ms)

    def _watch(self) -> None:
        """End the process when it has not been ready for long: Faust may have given up."""
        since = self._unready_since
        if since is not None and time.monotonic() - since > _READY_WITHIN_S:
            raise WorkerStoppedError(f"not ready for {_READY_WITHIN_S:.0f} s after a rebalance")

    async def _in(self, thread: str, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self._threads[thread], function, *arguments
        )

    async def _guard(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            await coroutine
        except Exception as error:
            if not self._stopping:
                self._die(error)

    def _die(self, error: Exception) -> NoReturn:
        """Say why, write it down where /readyz can see it, and end before anything is committed."""
        if isinstance(error, WorkerStoppedError | PoisonRecordError):
            logger.error("%s", error)
        else:
            logger.exception("the worker ends", exc_info=error)
        if isinstance(error, PoisonRecordError):
            state = self._states.get(error.partition)
            if state is not None:
                self._note_death(state.source, error)
        _exit()

    def _note_death(self, source: int, error: PoisonRecordError) -> None:
        try:
            before = self._store.deaths(source)
            times = before.times if before is not None else 0
            self._store.note_deaths(source, Deaths(error.offset, times, str(error)))
        except Exception:
            logger.exception("the death could not be written down")


def _exit() -> NoReturn:
    logging.shutdown()
    os._exit(EXIT_FAILED)


async def _run(settings: WorkerSettings) -> None:
    worker = Worker(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await worker.start()
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), 1)
        except TimeoutError:
            if worker.app.crashed:
                logger.error("Faust crashed: %r", worker.app.crash_reason)
                _exit()
    # Without a broker Faust's own stop would wait for it without end.
    overdue = threading.Timer(_DRAIN_S, os._exit, [0])
    overdue.daemon = True
    overdue.start()
    await worker.drain()


def main(settings: WorkerSettings | None = None) -> int:
    """Run a worker until it is told to stop; the exit code."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    keep_freed_memory()
    try:
        settings = settings or WorkerSettings()
        if settings.metrics_port:
            start_http_server(settings.metrics_port, settings.metrics_host)
        asyncio.run(_run(settings))
    except WorkerStoppedError as error:
        logger.error("%s", error)
        return 1
    except ClickHouseError as error:
        logger.error("ClickHouse cannot be used: %s", str(error).strip().splitlines()[0])
        return 1
    except ValidationError as error:
        logger.error("%s", error)
        return 2
    os._exit(0)  # Faust leaves threads behind that would wait for the broker.


if __name__ == "__main__":
    sys.exit(main())
