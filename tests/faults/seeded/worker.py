"""The worker with named points at which it can be killed, or with a safeguard switched off.

Run as `python -m tests.faults.seeded.worker DIRECTORY`. Whichever worker passes point P while the
file DIRECTORY/P exists takes it away and sends itself the signal that it names.
`SMS_TEST_WITHOUT` names safeguards.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from schemas.native import Block
from schemas.rows import CELL_TABLES, ORPHANS, PROGRESS, USAGE_LOG
from streams import loading, reader, sink, worker
from streams.clickhouse import Store
from streams.consumer import DurableConsumer
from streams.core import cells, fold, recent
from streams.dead_letters import DeadLetterProducer
from streams.intake import Chunk

WRITTEN = (USAGE_LOG, *CELL_TABLES, ORPHANS)
FLUSHING = (
    f"before {USAGE_LOG}",
    *(f"after {table}" for table in WRITTEN),
    "before dead letters",
    "after dead letters",
    f"before {PROGRESS}",
    f"after {PROGRESS}",
)
"""The points of a flush, in its order."""
POINTS = (*FLUSHING, "before commit", "after commit", "while loading")

_BATCH = 1000
"""Records read at once: so few that a run is many chunks and flushes however fast the machine."""
_LOST = range(2000, 2100)
"""The offsets of each partition that the lossy reader loses."""


def main() -> int:
    """Run the worker as `streams.worker` does."""
    _add_points(Path(sys.argv[1]))
    _patch(reader, "_BATCH", _BATCH)
    for name in filter(None, os.environ.get("SMS_TEST_WITHOUT", "").split(",")):
        _WITHOUT[name]()
    return worker.main()


def _add_points(directory: Path) -> None:
    def point(name: str) -> None:
        try:
            signal_name = (directory / name).read_text()
            (directory / name).unlink()
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.Signals[signal_name])

    insert, send = sink.Sink._insert, DeadLetterProducer.send
    fill, commit = loading.Loader._fill, DurableConsumer._commit

    def inserting(self: sink.Sink, table: str, block: Block, gone: threading.Event) -> None:
        point(f"before {table}")
        insert(self, table, block, gone)
        point(f"after {table}")

    def sending(self: DeadLetterProducer, letters: Sequence[Any]) -> None:
        point("before dead letters")
        send(self, letters)
        point("after dead letters")

    def filling(self: Any, *arguments: Any, **options: Any) -> None:
        fill(self, *arguments, **options)
        point("while loading")

    async def committing(self: Any, offsets: Any) -> Any:
        point("before commit")
        done = await commit(self, offsets)
        point("after commit")
        return done

    _patch(sink.Sink, "_insert", inserting)
    _patch(DeadLetterProducer, "send", sending)
    _patch(loading.Loader, "_fill", filling)
    _patch(DurableConsumer, "_commit", committing)


def _patch(owner: Any, name: str, function: Callable[..., Any]) -> None:
    setattr(owner, name, function)


def _without_position_guard() -> None:
    class Forgetful(cells.CellTable):
        """Does not know what was applied to a cell, so a replay is applied again."""

        def rows_of(self, keys: Any) -> Any:
            rows = super().rows_of(keys)
            self.last[rows] = -1
            return rows

    _patch(fold, "CellTable", Forgetful)
    import streams.working_set

    _patch(streams.working_set, "CellTable", Forgetful)


def _without_order_of_durability() -> None:
    """Progress is written first, and what it says is believed."""
    insert, flush = sink.Sink._insert, sink.Sink.flush

    def progress_first(
        self: sink.Sink, snapshots: Any, gone: threading.Event, **options: Any
    ) -> float:
        insert(self, "source_progress", self._progress(snapshots), gone)
        return flush(self, snapshots, gone, **options)

    _patch(sink.Sink, "flush", progress_first)
    _patch(reader.Reader, "committed", lambda self, partitions: {})


def _with_a_lossy_reader() -> None:
    """Once in a run the reader loses some records of each partition, as Faust's own fetcher did.

    Those after them do come, so that there is something by which it can be seen.
    """
    poll, directory = reader.Reader.poll, Path(sys.argv[1])

    def some(chunk: Chunk) -> Iterator[Chunk]:
        has_lost = directory / f"lost of {chunk.partition}"
        before = np.flatnonzero(chunk.offsets < _LOST.start)
        after = np.flatnonzero(chunk.offsets >= _LOST.stop)
        if len(before) + len(after) == len(chunk.offsets) or has_lost.exists():
            yield chunk
            return
        has_lost.touch()
        for places in (before, after):
            if len(places):
                yield Chunk(
                    chunk.generation,
                    chunk.partition,
                    chunk.offsets[places],
                    chunk.keys.take(places),
                    chunk.values.take(places),
                    chunk.timestamps[places],
                )

    def poll_some(self: reader.Reader) -> list[Chunk]:
        return [piece for chunk in poll(self) for piece in some(chunk)]

    _patch(reader.Reader, "poll", poll_some)


def _without_contiguity() -> None:
    """The reader loses chunks, and nobody looks."""
    _with_a_lossy_reader()
    _patch(worker.Worker, "_check_gap", lambda self, chunk, expected: None)


def _without_cold_read() -> None:
    _patch(Store, "load_cold", lambda self, tables, keys, source: None)


def _without_unwritten_rows() -> None:
    """Messages leave the memory whether they are durable or not."""
    evict = recent.MessageTable.evict

    def evict_any(self: recent.MessageTable, keep: int) -> None:
        self._is_dirty[:] = np.False_
        evict(self, keep)

    _patch(recent.MessageTable, "evict", evict_any)


_WITHOUT: dict[str, Callable[[], None]] = {
    "position guard": _without_position_guard,
    "order of durability": _without_order_of_durability,
    "contiguity": _without_contiguity,
    "every chunk": _with_a_lossy_reader,
    "cold read": _without_cold_read,
    "unwritten rows": _without_unwritten_rows,
}


if __name__ == "__main__":
    sys.exit(main())
