"""One chunk of records through the rules into a working set: dedupe, decide, fold.

The rules are pure (`streams.core`); what they need from outside (messages and cells that are no
longer in memory) is fetched in between, once a chunk. Runs in one thread, one chunk at a time.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.events import UsageEvent
from schemas.rows import STATUS_CODES, USER_TABLES
from schemas.units import offset_of, partition_of
from streams import metrics
from streams.clickhouse import Store
from streams.core.columns import Ints
from streams.core.erasure import StubOf, is_stub, make_anonymous
from streams.core.fold import Batch, Groups, fold, group
from streams.core.history import Entry, History, own_entries, with_outcomes
from streams.core.message import (
    UNKNOWN_USER,
    Messages,
    decide,
    has_unmapped,
    owners_of,
    prices_in_micros,
    without_rate,
)
from streams.core.orphans import Orphan
from streams.core.receipts import apply_receipts, as_of
from streams.core.seen import SidFilter, hashes_of
from streams.core.strict import Rejected
from streams.errors import PoisonRecordError
from streams.intake import Chunk, Intake, Part
from streams.reference import ReferenceData
from streams.stubs import Stubs
from streams.working_set import DeadLetter, WorkingSet

ORPHAN = Rejected("orphan_status", "message_sid: no message with it came within 72 h")
_FIELDS = frozenset(UsageEvent.__struct_fields__)


class Told(NamedTuple):
    """Receipts of a chunk: what each says, and of whose message (0: not known)."""

    part: Part
    entries: list[Entry]
    owners: Ints

    def waiting(self, state: WorkingSet, chunk: Chunk, place: int) -> Orphan:
        """One of them as what waits for its message."""
        index = int(self.part.events.records[place])
        return Orphan(
            state.source,
            self.part.events.sids[place],
            self.entries[place],
            int(chunk.timestamps[index]),
            chunk.keys[index] or b"",
            chunk.values[index] or b"",
            user_id=int(self.owners[place]),
        )


class Folder:
    """Folds chunks into working sets; holds what all partitions of a worker share."""

    keeps_messages = True
    """Whether more is kept of a message than what it adds to cells: its sid, hashes of numbers."""

    def __init__(
        self, store: Store, sids: SidFilter, reference: ReferenceData, stub_of: StubOf
    ) -> None:
        self._store = store
        self._sids = sids
        self._reference = reference
        self._stubs = Stubs(store, sids, reference, stub_of)
        self._intake = Intake(reference, wants_sids=self.keeps_messages)

    def fold(self, state: WorkingSet, chunk: Chunk) -> None:
        """Fold a chunk that begins where the working set stands.

        Raises PoisonRecordError when a rule fails on a record, whatever the reason.
        """
        part, rejected = self._intake.take_in(state, chunk)
        is_status = self._intake.shapes(part.events)["is_status"]
        has_stubs = bool(state.cuts) and self._stubs.rename(state, part, is_status)
        messages = part.take(np.flatnonzero(~is_status))
        receipts = part.take(np.flatnonzero(is_status))
        rows = self._look_up(state, messages, receipts)
        receipts = self._with_rates(receipts, rejected)
        owners = owners_of(receipts.events, self._reference.current)
        told = Told(receipts, self._entries(receipts), owners)
        places = self._new(state, messages, rows, rejected)
        known, fresh = int(np.count_nonzero(rows >= 0)), messages.take(places)
        _wait_for_later(state, chunk, fresh, told)
        rows[places] = self._add(state, fresh, has_stubs)
        own = _own(state, messages, rows)
        replayed = len(own.positions) - len(places)
        _count("replayed", replayed)
        _count("duplicate", known - replayed)
        self._fold(state, own, self._receipts(state, chunk, told))
        self._end(state, chunk, rejected)

    def _end(self, state: WorkingSet, chunk: Chunk, rejected: dict[int, Rejected]) -> None:
        """The chunk is folded but for what was rejected of it."""
        for index in sorted(rejected):
            _reject(state, chunk, index, rejected[index])
        next_offset, record_ms = int(chunk.offsets[-1]) + 1, int(chunk.timestamps[-1])
        _expire(state, record_ms)
        state.folded(next_offset, record_ms)

    def _look_up(self, state: WorkingSet, messages: Part, receipts: Part) -> Ints:
        """Fetch from ClickHouse the messages of these events that are no longer in memory.

        Returns the rows of `messages`, −1 for the new ones. Their sids are in the filter
        afterwards, whether they are folded or rejected.
        """
        count = len(messages.positions)
        sids = [*messages.events.sids, *receipts.events.sids]
        rows = state.messages.find(sids)
        absent = np.flatnonzero(rows < 0)
        if not len(absent):
            return rows[:count]
        unknown = [sids[place] for place in absent.tolist()]
        hashes = hashes_of(unknown)
        perhaps = np.flatnonzero(self._sids.maybe(hashes)).tolist()
        if perhaps:
            metrics.LOOKUPS.labels("sids").inc()
            asked = dict.fromkeys(unknown[place] for place in perhaps)
            state.messages.load(self._store.messages(state.source, list(asked)))
            rows = state.messages.find(sids)
        self._sids.add(hashes[absent < count])
        return rows[:count]

    def _with_rates(self, part: Part, rejected: dict[int, Rejected]) -> Part:
        """The events that need no currency without a configured rate; others are rejected."""
        events = part.events
        if not len(events.prices):
            return part
        without = without_rate(events.prices, self._intake.shapes(events), self._reference.current)
        for place, currency in without.items():
            rejected[int(events.records[place])] = Rejected(
                "unsupported_currency", f"price_unit: {currency} has no configured rate"
            )
        return part.take(np.delete(np.arange(len(part.positions)), list(without)))

    def _new(
        self, state: WorkingSet, part: Part, rows: Ints, rejected: dict[int, Rejected]
    ) -> Ints:
        """The places of the first event of each message that is new."""
        _take_again(state, part, np.flatnonzero(rows >= 0))
        unknown = part.take(np.flatnonzero(rows < 0))
        priced = self._with_rates(unknown, rejected)
        fresh = priced.take(np.flatnonzero(_are_firsts(priced.events.sids)))
        _count("accepted", len(fresh.positions))
        _count("duplicate", len(priced.positions) - len(fresh.positions))
        return np.searchsorted(part.positions, fresh.positions)

    def _add(self, state: WorkingSet, fresh: Part, has_stubs: bool) -> Ints:
        """Make messages of new ones, with what has waited for them; returns their rows."""
        made = self._decide(state, fresh)
        if has_stubs:
            stubs = [place for place, sid in enumerate(fresh.events.sids) if is_stub(sid)]
            make_anonymous(made, np.array(stubs, np.int64))
        histories = self._histories(state, fresh, made)
        rows = state.messages.add(fresh.events.sids, made)
        if histories:
            places = list(histories)
            outcomes = [history.outcome for history in histories.values()]
            changed = with_outcomes(made[places], outcomes)
            state.messages.replace(rows[places], changed, list(histories.values()))
        return rows

    def _histories(self, state: WorkingSet, fresh: Part, made: Messages) -> dict[int, History]:
        """Histories, by place, of new messages that have more to say than their rows.

        Those are messages that receipts have waited for, and canceled ones with a price.
        """
        waited_for = state.orphans.sids(fresh.events.sids)
        canceled = np.flatnonzero(made["status"] == STATUS_CODES["canceled"]).tolist()
        prices = fresh.events.prices
        places = [place for place in canceled if len(prices) and prices.sizes[place] >= 0]
        if waited_for:
            sids = enumerate(fresh.events.sids)
            places = sorted({*places, *(place for place, sid in sids if sid in waited_for)})
        if not places:
            return {}
        told = fresh.take(np.array(places, np.int64))
        found = {}
        for number, (own, price) in enumerate(
            zip(own_entries(made[places]), self._prices(told), strict=True)
        ):
            history, record_ms = History(own.position), int(told.record_ms[number])
            for entry in state.orphans.take(told.events.sids[number], own.position, record_ms):
                if history.would_keep(entry):
                    history.append(entry)
            history.append(own._replace(price_micros=price))
            found[places[number]] = history
        return found

    def _decide(self, state: WorkingSet, part: Part) -> Messages:
        events = part.events
        if has_unmapped(events.phones, self._reference.current):
            self._reference.catch_up()
        reference, shapes = self._reference.current, self._intake.shapes(events)
        try:
            return decide(events, shapes, part.positions, reference, self.keeps_messages)
        except Exception:
            for place, position in enumerate(part.positions.tolist()):
                one = part.take(np.array([place])) if len(shapes) > 1 else part
                try:
                    decide(
                        one.events, shapes[[place]], one.positions, reference, self.keeps_messages
                    )
                except Exception as error:
                    offset = offset_of(position)
                    raise PoisonRecordError(state.partition, offset, error) from error
            raise

    def _prices(self, part: Part) -> list[int | None]:
        shapes = self._intake.shapes(part.events)
        micros = prices_in_micros(part.events.prices, shapes, self._reference.current)
        return [None if price < 0 else price for price in micros.tolist()]

    def _entries(self, part: Part) -> list[Entry]:
        """What each receipt says, as an entry of its message's history."""
        shapes, exempt = self._intake.shapes(part.events), self._reference.current.rates.exempt
        columns = zip(
            part.positions.tolist(),
            shapes["status"].tolist(),
            shapes["has_error"].tolist(),
            shapes["error_code"].tolist(),
            self._prices(part),
            part.events.occurred_ms.tolist(),
            strict=True,
        )
        return [
            Entry(position, status, code if coded else None, price, at, code in exempt)
            for position, status, coded, code, price, at in columns
        ]

    def _receipts(self, state: WorkingSet, chunk: Chunk, told: Told) -> Batch:
        """Apply the receipts of known messages, let the others wait; what they change."""
        part, entries = told.part, told.entries
        rows = state.messages.find(part.events.sids)
        for place in np.flatnonzero(rows < 0).tolist():
            orphan = told.waiting(state, chunk, place)
            if is_stub(orphan.sid):
                orphan = orphan._replace(key=b"", value=b"", user_id=UNKNOWN_USER)
            else:
                orphan = orphan._replace(value=_known_fields(orphan.value))
            state.orphans.add(orphan)
        known = np.flatnonzero(rows >= 0)
        if len(known) < len(entries):
            entries = [entries[place] for place in known.tolist()]
        changes = apply_receipts(state.messages, rows[known], entries)
        _count("orphan", len(rows) - len(known))
        _count("receipt", changes.kept)
        _count("receipt_unchanged", len(known) - changes.kept)
        changing = part.take(known).take(changes.receipts)
        return Batch(changes.after, changing.positions, changing.record_ms, changes.before)

    def _fold(self, state: WorkingSet, own: Batch, changed: Batch) -> None:
        batch = Batch(
            np.concatenate([own.messages, changed.messages]),
            np.concatenate([own.positions, changed.positions]),
            np.concatenate([own.record_ms, changed.record_ms]),
            changed.before,
        )
        if len(batch.messages):
            self._apply(state, group(batch), batch)

    def _apply(self, state: WorkingSet, groups: dict[str, Groups], batch: Batch) -> None:
        """Fold a batch into its cells, after reading back those that are no longer here."""
        cold = {name: state.tables[name].cold(part.keys) for name, part in groups.items()}
        cold = {name: keys for name, keys in cold.items() if len(keys)}
        if cold:
            metrics.LOOKUPS.labels("cells").inc()
            self._store.load_cold(state.tables, cold, state.source)
            for name, keys in cold.items():
                metrics.COLD_CELLS.labels(name).inc(len(keys))
                if name in USER_TABLES and (state.cuts.of(keys["user_id"]) > 0).any():
                    state.tables[name].forget(state.cuts.users, state.cuts.positions)
        fold(state.tables, groups, batch)


def _wait_for_later(state: WorkingSet, chunk: Chunk, fresh: Part, told: Told) -> None:
    """Let those receipts wait whose message comes after them in the same chunk."""
    if not told.entries:
        return
    coming = dict(zip(fresh.events.sids, fresh.positions.tolist(), strict=True))
    for place, sid in enumerate(told.part.events.sids):
        later = coming.get(sid)
        if later is not None and told.entries[place].position < later:
            state.orphans.add(told.waiting(state, chunk, place))


def _own(state: WorkingSet, part: Part, rows: Ints) -> Batch:
    """What messages add that are new, or that are replayed at their own position."""
    table = state.messages
    is_own = (rows >= 0) & (table.rows["position"][rows] == part.positions)
    own = np.flatnonzero(is_own)
    counted = part.take(own)
    messages = as_of(table, rows[own], counted.positions)
    return Batch(messages, counted.positions, counted.record_ms, messages[:0])


def _take_again(state: WorkingSet, part: Part, known: Ints) -> None:
    """Receipts that wait again after a restart are in the history of their message already."""
    for place in known.tolist() if len(state.orphans) else ():
        sid, before = part.events.sids[place], int(part.positions[place])
        state.orphans.take(sid, before, int(part.record_ms[place]))


def _expire(state: WorkingSet, record_ms: int) -> None:
    for orphan in state.orphans.expire(record_ms):
        _count_rejected(ORPHAN)
        place = partition_of(orphan.source), offset_of(orphan.entry.position)
        state.dead_letters.append(
            DeadLetter(*place, orphan.key, orphan.value, ORPHAN.reason, ORPHAN.detail)
        )


def _reject(state: WorkingSet, chunk: Chunk, index: int, rejected: Rejected) -> None:
    _count_rejected(rejected)
    key, value = chunk.keys[index], chunk.values[index]
    place = chunk.partition, int(chunk.offsets[index])
    state.dead_letters.append(DeadLetter(*place, key, value, rejected.reason, rejected.detail))


def _count_rejected(rejected: Rejected) -> None:
    metrics.EVENTS.labels("rejected").inc()
    metrics.REJECTED.labels(rejected.reason).inc()


def _known_fields(value: bytes) -> bytes:
    """An event's bytes; without fields that the contract does not know, such as a body."""
    fields = msgspec.json.decode(value)
    if fields.keys() <= _FIELDS:
        return value
    known = {name: content for name, content in fields.items() if name in _FIELDS}
    return msgspec.json.encode(known)


def _are_firsts(sids: list[bytes]) -> npt.NDArray[np.bool_]:
    """Which of these is the first of its kind."""
    first: dict[bytes, int] = {}
    places = [first.setdefault(sid, place) for place, sid in enumerate(sids)]
    is_first: npt.NDArray[np.bool_] = np.array(places, np.int64) == np.arange(len(sids))
    return is_first


def _count(outcome: str, count: int) -> None:
    if count:
        metrics.EVENTS.labels(outcome).inc(count)
