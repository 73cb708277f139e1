"""What a newly assigned partition begins from: the log checked, the working set loaded."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from schemas.rows import CELL_TABLES
from schemas.units import source
from streams.clickhouse import Deaths, Store
from streams.continuity import refuse_another_log, refuse_lost_records
from streams.core.seen import SidFilter
from streams.hot import load_cells, load_messages, load_sids
from streams.reader import Log, Reader
from streams.settings import WorkerSettings
from streams.working_set import WorkingSet

logger = logging.getLogger(__name__)


class Loader:
    """Loads working sets from ClickHouse; checks that the log goes on where they end."""

    def __init__(
        self,
        store: Store,
        log: Log,
        reader: Reader,
        sids: SidFilter,
        settings: WorkerSettings,
    ) -> None:
        self._store = store
        self._log = log
        self._reader = reader
        self._sids = sids
        self._settings = settings
        self._identity = log.describe()

    def check(self) -> None:
        """Raise WorkerStoppedError where `load` would, for any partition of the topic as it is now.

        Before a worker joins the group, in which an operator's command must find nobody; and when
        the log does not hold what is to be read, for the sentence that names the command.
        """
        identity = self._log.describe()
        partitions = range(identity[1])
        epoch = self._store.epoch()
        progress = self._store.progress([source(epoch, partition) for partition in partitions])
        starts, ends = self._log.starts(partitions), self._log.ends(partitions)
        for partition in partitions:
            if durable := progress.get(source(epoch, partition)):
                refuse_another_log((durable.topic_id, durable.partitions), identity)
                refuse_lost_records(partition, durable, starts[partition], ends[partition])

    def load(self, partitions: Sequence[int]) -> list[WorkingSet]:
        """Working sets of these partitions, each at the offset where folding goes on.

        That is the smaller of the committed offset and what is durable in ClickHouse. Raises
        WorkerStoppedError when the log is not the one, or no longer reaches back to it.
        """
        epoch = self._store.epoch()
        fresh = [WorkingSet(epoch, partition, 0, 0) for partition in partitions]
        progress = self._store.progress([state.source for state in fresh])
        committed = self._reader.committed(list(partitions))
        starts, ends = self._log.starts(partitions), self._log.ends(partitions)
        states = []
        for state in fresh:
            durable = progress.get(state.source)
            first, end = starts[state.partition], ends[state.partition]
            if durable is None:
                start, as_of = first, 0
            else:
                start = min(durable.next_offset, committed.get(state.partition, 1 << 62))
                # What retention took between the two was folded: progress is written last.
                start = max(start, min(first, durable.next_offset))
                as_of = durable.as_of_ms
                refuse_another_log((durable.topic_id, durable.partitions), self._identity)
                refuse_lost_records(state.partition, durable, first, end)
            loaded = WorkingSet(epoch, state.partition, start, as_of)
            loaded.end_offset = end
            states.append(loaded)
        if states:
            self._fill(states)
        for state in states:
            self._count_death(state, ends[state.partition])
        return states

    def _fill(self, states: Sequence[WorkingSet]) -> None:
        began = time.monotonic()
        by_source = {state.source: state for state in states}
        load_sids(self._store, by_source, self._sids)
        limit = self._settings.max_hot_cells // (3 * len(states))
        for name in CELL_TABLES:
            tables = {state.source: state.tables[name] for state in states}
            load_cells(self._store, name, tables, limit)
        firsts = {state.source: state.position(state.next_offset) for state in states}
        messages = {state.source: state.messages for state in states}
        load_messages(self._store, firsts, messages)
        for state in states:
            state.quarantined = self._store.quarantined(state.source)
            for orphan in self._store.orphans(state.source):
                state.orphans.add(orphan, is_durable=True)
            cells = sum(map(len, state.tables.values()))
            logger.info(
                "partition %s begins at offset %s with %s hot cells",
                state.partition,
                state.next_offset,
                cells,
            )
        logger.info("loaded in %.1f s", time.monotonic() - began)

    def _count_death(self, state: WorkingSet, end: int) -> None:
        """A start where an earlier worker has not got past counts as that worker's death."""
        if end <= state.next_offset:
            return
        before = self._store.deaths(state.source)
        if before is not None and before.offset >= state.next_offset:
            self._store.note_deaths(state.source, before._replace(times=before.times + 1))
        else:
            self._store.note_deaths(state.source, Deaths(state.next_offset, 0, ""))
