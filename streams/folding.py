"""One chunk of records through the rules into a working set: decode, dedupe, decide, fold.

The rules are pure (`streams.core`); what they need from outside (messages and cells that are no
longer in memory) is fetched in between, once a chunk. Runs in one thread, one chunk at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.events import MAX_FUTURE_MS
from schemas.units import DAY_MS
from streams import metrics
from streams.clickhouse import Store
from streams.core.decode import Decoder, Events, Ints, Rejected
from streams.core.fold import Batch, fold, group
from streams.core.message import Messages, decide, key_is_of, untimely, without_rate
from streams.core.seen import SidFilter, hashes_of
from streams.errors import PoisonRecordError
from streams.reference import ReferenceData
from streams.working_set import DeadLetter, WorkingSet

_MEMO_LIMIT = 200_000
ORPHAN = Rejected("orphan_status", "message_sid: no message with it is known")
INVALID_KEY = Rejected("invalid_key", "key: must be the event's user_id or phone_number")


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
        self._key_of_user: dict[int, bytes] = {}

    def fold(self, state: WorkingSet, chunk: Chunk) -> None:
        """Fold a chunk that begins where the working set stands.

        Raises PoisonRecordError when a rule fails on a record, whatever the reason.
        """
        events, rejected = self._decode(state, chunk)
        positions = state.position(0) + np.array(chunk.offsets, np.int64)[events.records]
        rows = self._known(state, events)
        unknown = np.flatnonzero(rows < 0)
        places = unknown[self._have_rates(events, unknown, rejected)]
        fresh = places[_firsts([events.sids[place] for place in places.tolist()])]
        made = self._decide(state, chunk, events.take(fresh), positions[fresh])
        rows[fresh] = state.messages.add([events.sids[place] for place in fresh.tolist()], made)
        is_own = (rows >= 0) & (state.messages.rows["position"][rows] == positions)
        self._apply(state, chunk, events.records[is_own], rows[is_own], positions[is_own])
        for index in sorted(rejected):
            self._reject(state, chunk, index, rejected[index])
        own, unpriced = int(np.count_nonzero(is_own)), len(unknown) - len(places)
        _count("accepted", len(fresh))
        _count("replayed", own - len(fresh))
        _count("duplicate", len(rows) - own - unpriced)
        state.folded(chunk.offsets[-1] + 1, chunk.timestamps[-1])

    def _decode(self, state: WorkingSet, chunk: Chunk) -> tuple[Events, dict[int, Rejected]]:
        """Events, and why other records are none, by every rule that needs no memory."""
        values = chunk.values
        aside = [i for i, offset in enumerate(chunk.offsets) if offset in state.quarantined]
        if aside:
            values = [None if i in aside else value for i, value in enumerate(values)]
        events, rejected = self._batch(state, chunk.offsets, values)
        for index in aside:
            rejected[index] = Rejected("quarantined", state.quarantined[chunk.offsets[index]])
        is_good = self._have_keys(events, chunk, rejected)
        is_good &= self._are_timely(events, chunk, rejected)
        orphans = self._decoder.shapes.table["is_status"][events.shapes]
        for index in events.records[orphans].tolist():
            rejected.setdefault(index, ORPHAN)
        is_good &= ~orphans
        return (events if is_good.all() else events.take(np.flatnonzero(is_good))), rejected

    def _batch(
        self, state: WorkingSet, offsets: Sequence[int], values: Sequence[bytes | None]
    ) -> tuple[Events, dict[int, Rejected]]:
        try:
            return self._decoder.batch(values)
        except Exception:
            for offset, value in zip(offsets, values, strict=True):
                try:
                    self._decoder.batch([value])
                except Exception as error:
                    raise PoisonRecordError(state.partition, offset, error) from error
            raise

    def _have_keys(
        self, events: Events, chunk: Chunk, rejected: dict[int, Rejected]
    ) -> npt.NDArray[np.bool_]:
        """Which events have a key that is theirs; the others are rejected."""
        memo = self._key_of_user
        if len(memo) > _MEMO_LIMIT:
            memo.clear()
        users, indices = events.users.tolist(), events.records.tolist()
        keys = chunk.keys
        if len(indices) < len(keys):
            keys = [keys[index] for index in indices]
        good = np.ones(len(users), np.bool_)
        expected: list[bytes | None] = list(map(memo.get, users))
        if expected == keys:
            return good
        differ = [place for place, key in enumerate(keys) if expected[place] != key or key is None]
        for place in differ:
            user, key = users[place], keys[place]
            if not key_is_of(key, user, events.phones[place] if events.phones else ""):
                good[place] = False
                rejected[indices[place]] = INVALID_KEY
            elif user:
                memo[user] = b"%d" % user
        return good

    def _are_timely(
        self, events: Events, chunk: Chunk, rejected: dict[int, Rejected]
    ) -> npt.NDArray[np.bool_]:
        """Which events lie near enough to their records' time; the others are rejected."""
        days = self._reference.current.retention_days
        record_ms = np.array(chunk.timestamps, np.int64)[events.records]
        late_ms = record_ms - events.occurred_ms
        good = (late_ms >= -MAX_FUTURE_MS) & (late_ms <= days * DAY_MS)
        for place in np.flatnonzero(~good).tolist():
            why = untimely(int(events.occurred_ms[place]), int(record_ms[place]), days)
            if why is not None:
                rejected.setdefault(int(events.records[place]), why)
        return good

    def _known(self, state: WorkingSet, events: Events) -> Ints:
        """The row of each event's message in memory, fetched from ClickHouse if need be; or −1.

        The sids are in the filter afterwards, whether their messages are folded or rejected.
        """
        rows = state.messages.find(events.sids)
        absent = np.flatnonzero(rows < 0)
        if len(absent):
            sids = [events.sids[place] for place in absent.tolist()]
            hashes = hashes_of(sids)
            perhaps = np.flatnonzero(self._sids.maybe(hashes)).tolist()
            if perhaps:
                metrics.LOOKUPS.labels("sids").inc()
                asked = dict.fromkeys(sids[place] for place in perhaps)
                found = self._store.messages(state.source, list(asked))
                if found.sids:
                    state.messages.add(*found, is_durable=True)
                    rows = state.messages.find(events.sids)
            self._sids.add(hashes)
        return rows

    def _have_rates(
        self, events: Events, places: Ints, rejected: dict[int, Rejected]
    ) -> npt.NDArray[np.bool_]:
        """Which of these events need no currency that has no rate; the others are rejected."""
        good = np.ones(len(places), np.bool_)
        if events.prices:
            shapes = self._decoder.shapes.table[events.shapes[places]]
            prices = [events.prices[place] for place in places.tolist()]
            for place, currency in without_rate(prices, shapes, self._reference.current).items():
                good[place] = False
                rejected[int(events.records[places[place]])] = Rejected(
                    "unsupported_currency", f"price_unit: {currency} has no configured rate"
                )
        return good

    def _decide(self, state: WorkingSet, chunk: Chunk, events: Events, positions: Ints) -> Messages:
        users = self._reference.current.users
        if events.phones and any(phone and phone not in users for phone in events.phones):
            self._reference.catch_up()
        reference, table = self._reference.current, self._decoder.shapes.table
        try:
            return decide(events, table[events.shapes], positions, reference)
        except Exception:
            for place, index in enumerate(events.records.tolist()):
                one = events.take(np.array([place]))
                try:
                    decide(one, table[one.shapes], positions[place : place + 1], reference)
                except Exception as error:
                    offset = chunk.offsets[index]
                    raise PoisonRecordError(state.partition, offset, error) from error
            raise

    def _apply(
        self, state: WorkingSet, chunk: Chunk, indices: Ints, rows: Ints, positions: Ints
    ) -> None:
        if not len(rows):
            return
        record_ms = np.array(chunk.timestamps, np.int64)[indices]
        batch = Batch(state.messages.gather(rows), positions, record_ms)
        groups = group(batch)
        cold = {name: state.tables[name].cold(part.keys) for name, part in groups.items()}
        cold = {name: keys for name, keys in cold.items() if len(keys)}
        if cold:
            metrics.LOOKUPS.labels("cells").inc()
            self._store.load_cold(state.tables, cold, state.source)
            for name, keys in cold.items():
                metrics.COLD_CELLS.labels(name).inc(len(keys))
        fold(state.tables, groups, batch)

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


def _firsts(sids: list[bytes]) -> npt.NDArray[np.bool_]:
    """Which of these is the first of its kind."""
    first: dict[bytes, int] = {}
    places = [first.setdefault(sid, place) for place, sid in enumerate(sids)]
    is_first: npt.NDArray[np.bool_] = np.array(places, np.int64) == np.arange(len(sids))
    return is_first


def _count(outcome: str, count: int) -> None:
    if count:
        metrics.EVENTS.labels(outcome).inc(count)
