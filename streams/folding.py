"""One chunk of records through the rules into a working set: decode, dedupe, decide, fold.

The rules are pure (`streams.core`); what they need from outside (messages and cells that are no
longer in memory) is fetched in between, once a chunk. Runs in one thread, one chunk at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from msgspec import UNSET

from schemas.events import MAX_FUTURE_MS, UsageEvent
from schemas.units import DAY_MS
from streams import metrics
from streams.clickhouse import Store
from streams.core.decode import Decoder, Rejected
from streams.core.fold import Groups, batch_of, fold, group
from streams.core.message import Message, decide, key_is_of, untimely
from streams.core.seen import SidFilter, hashes_of
from streams.errors import PoisonRecordError
from streams.reference import ReferenceData
from streams.working_set import DeadLetter, WorkingSet

_MEMO_LIMIT = 200_000
ORPHAN = Rejected("orphan_status", "message_sid: no message with it is known")


class Chunk(NamedTuple):
    """Consecutive records of one partition, read within one generation of the assignment."""

    generation: int
    partition: int
    offsets: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    timestamps: list[int]

    def since(self, offset: int) -> Chunk:
        """The chunk without the records before `offset`."""
        start = int(np.searchsorted(self.offsets, offset))
        return Chunk(
            self.generation,
            self.partition,
            self.offsets[start:],
            self.keys[start:],
            self.values[start:],
            self.timestamps[start:],
        )


class Folder:
    """Folds chunks into working sets; holds what all partitions of a worker share."""

    def __init__(self, store: Store, sids: SidFilter, reference: ReferenceData) -> None:
        self._store = store
        self._sids = sids
        self._reference = reference
        self._decoder = Decoder()
        self._key_of_user: dict[object, bytes] = {}

    def fold(self, state: WorkingSet, chunk: Chunk) -> None:
        """Fold a chunk that begins where the working set stands.

        Raises PoisonRecordError when a rule fails on a record, whatever the reason.
        """
        events, times = self._decode(state, chunk)
        known = self._known(state, [e for e in events if not isinstance(e, Rejected)])
        fresh: list[Message] = []
        applied: list[Message] = []
        record_ms: list[int] = []
        outcomes: Counter[str] = Counter()
        caught_up = False
        for index, event in enumerate(events):
            offset = chunk.offsets[index]
            if isinstance(event, Rejected):
                self._reject(state, chunk, index, event)
                continue
            position = state.position(offset)
            message = known.get(event.message_sid)
            if message is not None and message.position != position:
                outcomes["duplicate"] += 1
                continue
            if message is None:
                if not caught_up and self._lacks_user(event):
                    self._reference.catch_up()
                    caught_up = True
                try:
                    decided = decide(event, times[index], position, self._reference.current)
                except Exception as error:
                    raise PoisonRecordError(state.partition, offset, error) from error
                if isinstance(decided, Rejected):
                    self._reject(state, chunk, index, decided)
                    continue
                message = known[event.message_sid] = decided
                fresh.append(message)
            else:
                outcomes["replayed"] += 1
                state.remember(message)
            applied.append(message)
            record_ms.append(chunk.timestamps[index])
        self._apply(state, applied, record_ms)
        self._remember(state, fresh)
        outcomes["accepted"] = len(fresh)
        for outcome, count in outcomes.items():
            metrics.EVENTS.labels(outcome).inc(count)
        state.folded(chunk.offsets[-1] + 1, chunk.timestamps[-1])

    def _lacks_user(self, event: UsageEvent) -> bool:
        number = event.phone_number
        return number is not UNSET and number not in self._reference.current.users

    def _decode(
        self, state: WorkingSet, chunk: Chunk
    ) -> tuple[list[UsageEvent | Rejected], list[int]]:
        """Events, or why not, by every rule that needs no memory; and the events' instants."""
        values = chunk.values
        aside = [i for i, offset in enumerate(chunk.offsets) if offset in state.quarantined]
        if aside:
            values = [None if i in aside else value for i, value in enumerate(values)]
        events, times = self._batch(state, chunk.offsets, values)
        days = self._reference.current.retention_days
        longest = days * DAY_MS
        key_of_user = self._key_of_user
        if len(key_of_user) > _MEMO_LIMIT:
            key_of_user.clear()
        for index, event in enumerate(events):
            if isinstance(event, Rejected):
                continue
            key = chunk.keys[index]
            if key is None or key_of_user.get(event.user_id) != key:
                if not key_is_of(key, event):
                    events[index] = Rejected(
                        "invalid_key", "key: must be the event's user_id or phone_number"
                    )
                    continue
                if event.user_id is not UNSET:
                    key_of_user[event.user_id] = b"%d" % event.user_id
            if event.type == "status":
                events[index] = ORPHAN
            elif not -MAX_FUTURE_MS <= chunk.timestamps[index] - times[index] <= longest:
                events[index] = untimely(times[index], chunk.timestamps[index], days)
        for index in aside:
            events[index] = Rejected("quarantined", state.quarantined[chunk.offsets[index]])
        return events, times

    def _batch(
        self, state: WorkingSet, offsets: Sequence[int], values: Sequence[bytes | None]
    ) -> tuple[list[UsageEvent | Rejected], list[int]]:
        try:
            return self._decoder.batch(values)
        except Exception:
            for offset, value in zip(offsets, values, strict=True):
                try:
                    self._decoder.one(value)
                except Exception as error:
                    raise PoisonRecordError(state.partition, offset, error) from error
            raise

    def _known(self, state: WorkingSet, events: Sequence[UsageEvent]) -> dict[str, Message]:
        """Those messages of these events that were seen before, from memory or ClickHouse.

        The others are in the filter afterwards, whether they are folded or rejected.
        """
        known, absent = {}, []
        find = state.find
        for event in events:
            sid = event.message_sid
            message = find(sid)
            if message is None:
                absent.append(sid)
            else:
                known[sid] = message
        if absent:
            hashes = hashes_of(absent)
            perhaps = self._sids.maybe(hashes)
            if perhaps.any():
                asked = [absent[index] for index in np.flatnonzero(perhaps).tolist()]
                metrics.LOOKUPS.labels("sids").inc()
                known.update(self._store.messages(state.source, asked))
            self._sids.add(hashes)
        return known

    def _apply(self, state: WorkingSet, messages: list[Message], record_ms: list[int]) -> None:
        if not messages:
            return
        batch = batch_of(messages, record_ms)
        groups = group(batch)
        cold = {name: cold for name, part in groups.items() if (cold := _cold(state, name, part))}
        if cold:
            metrics.LOOKUPS.labels("cells").inc()
            for name, count in self._store.load_cold(state.tables, cold, state.source).items():
                metrics.COLD_CELLS.labels(name).inc(count)
        fold(state.tables, groups, batch)

    def _remember(self, state: WorkingSet, messages: list[Message]) -> None:
        for message in messages:
            state.remember(message)
        state.messages.extend(messages)

    def _reject(self, state: WorkingSet, chunk: Chunk, index: int, rejected: Rejected) -> None:
        metrics.EVENTS.labels("rejected").inc()
        metrics.REJECTED.labels(rejected.reason).inc()
        state.dead_letters.append(
            DeadLetter(
                chunk.partition,
                chunk.offsets[index],
                chunk.keys[index],
                chunk.values[index],
                rejected.reason,
                rejected.detail,
            )
        )


def _cold(state: WorkingSet, name: str, part: Groups) -> list[tuple[int, int, int]]:
    table = state.tables[name]
    if not table.hot_from_ms:
        return []
    return [key for key in part.keys if table.is_cold(key)]
