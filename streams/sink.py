"""Writes a flush in the order of durability; design section 1, rule 3.

Usage-log rows, then cells, orphans, dead letters, and progress; whoever calls commits offsets last.
Every step may be made again: rows are absolute and replace themselves.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import chain

import numpy as np
from clickhouse_connect.driver.client import Client

from schemas.native import Block
from schemas.rows import CELL_TABLES, ORPHANS, PROGRESS, USAGE_LOG, WRITING
from streams import metrics
from streams.dead_letters import DeadLetterProducer
from streams.patience import PatientClient, until_done
from streams.rows import cell_block, orphan_block, usage_block
from streams.working_set import Snapshot

_ROWS_PER_INSERT = 200_000
_SETTINGS = WRITING | {"max_threads": 1}
"""Threads for a few rows took a twentieth of an insert."""
_REST = 2.0
"""Between the inserts of a live flush: twice as long as the last one took."""
_LONGEST_REST_S = 0.04


class Sink:
    """Makes snapshots durable, for as long as it takes."""

    def __init__(
        self,
        connect: Callable[[], Client],
        dead_letters: DeadLetterProducer,
        topic_id: str,
        partitions: int,
    ) -> None:
        self._client = PatientClient(connect)
        self._dead_letters = dead_letters
        self._topic_id = topic_id
        self._partitions = partitions
        self._is_live = False
        self._took_s = self._rested_s = 0.0

    def flush(
        self, snapshots: Sequence[Snapshot], abandoned: threading.Event, *, is_live: bool = False
    ) -> float:
        """Write snapshots of any number of partitions; returns when all of it is durable, and for
        how many seconds it rested.

        Live, small inserts are spread over time: whoever asks ClickHouse meanwhile waits for one of
        them, not for all. Failures are tried again with growing pauses; raises AbandonedError once
        the event is set.
        """
        started = time.monotonic()
        self._is_live, self._took_s, self._rested_s = is_live, 0.0, 0.0
        self._insert_messages(snapshots, abandoned)
        for name in CELL_TABLES:
            parts = [(part.source, part.cells[name]) for part in snapshots if name in part.cells]
            if parts:
                self._insert(name, cell_block(name, parts), abandoned)
        orphans = list(chain.from_iterable(part.orphans for part in snapshots))
        if orphans:
            self._insert(ORPHANS, orphan_block(orphans), abandoned)
        letters = list(chain.from_iterable(part.dead_letters for part in snapshots))
        if letters:
            until_done("sending dead letters", lambda: self._dead_letters.send(letters), abandoned)
        self._insert(PROGRESS, self._progress(snapshots), abandoned)
        metrics.FLUSHES.inc()
        metrics.FLUSH_SECONDS.observe(time.monotonic() - started)
        return self._rested_s

    def _insert_messages(self, snapshots: Sequence[Snapshot], abandoned: threading.Event) -> None:
        sizes = [len(part.messages.sids) for part in snapshots]
        sids = list(chain.from_iterable(part.messages.sids for part in snapshots))
        messages = np.concatenate([part.messages.messages for part in snapshots])
        sources = np.repeat([part.source for part in snapshots], sizes)
        firsts = np.cumsum([0, *sizes]).tolist()
        histories = {
            first + place: entries
            for first, part in zip(firsts, snapshots, strict=False)
            for place, entries in part.messages.histories.items()
        }
        for start in range(0, len(sids), _ROWS_PER_INSERT):
            end = start + _ROWS_PER_INSERT
            some = {place - start: h for place, h in histories.items() if start <= place < end}
            block = usage_block(sids[start:end], messages[start:end], some, sources[start:end])
            self._insert(USAGE_LOG, block, abandoned)

    def _progress(self, snapshots: Sequence[Snapshot]) -> Block:
        block = Block(len(snapshots))
        now = int(datetime.now(UTC).timestamp() * 1000)
        block.numbers("source", "UInt32", [part.source for part in snapshots])
        block.numbers("next_offset", "UInt64", [part.next_offset for part in snapshots])
        block.numbers("end_offset", "UInt64", [part.end_offset for part in snapshots])
        block.numbers("as_of", "DateTime64(3, 'UTC')", [part.as_of_ms for part in snapshots])
        block.texts("topic_id", [self._topic_id.encode()] * len(snapshots))
        block.numbers("partitions", "UInt16", [self._partitions] * len(snapshots))
        block.numbers("updated_at", "DateTime64(3, 'UTC')", [now] * len(snapshots))
        return block

    def _insert(self, table: str, block: Block, abandoned: threading.Event) -> None:
        content = block.to_bytes()
        if self._is_live:
            rest_s = min(_REST * self._took_s, _LONGEST_REST_S)
            abandoned.wait(rest_s)
            self._rested_s += rest_s
        began = time.monotonic()
        self._client.run(
            f"writing {table}",
            lambda client: client.raw_insert(
                table, block.names, content, fmt="Native", settings=_SETTINGS
            ),
            abandoned,
        )
        metrics.ROWS.labels(table).inc(block.count)
        self._took_s = time.monotonic() - began
