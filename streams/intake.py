"""Records of a chunk to events, by every rule that needs no memory of earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.events import MAX_FUTURE_MS
from schemas.units import DAY_MS
from streams.core.columns import Ints, Texts
from streams.core.decode import Decoder
from streams.core.events import Events
from streams.core.message import key_is_of, untimely
from streams.core.strict import Rejected
from streams.errors import PoisonRecordError
from streams.reference import ReferenceData
from streams.working_set import WorkingSet

INVALID_KEY = Rejected("invalid_key", "key: must be the event's user_id or phone_number")


class Chunk(NamedTuple):
    """Consecutive records of one partition, read within one generation of the assignment."""

    generation: int
    partition: int
    offsets: Ints
    keys: Texts
    values: Texts
    timestamps: Ints

    @classmethod
    def of(
        cls,
        partition: int,
        first: int,
        records: Sequence[tuple[bytes | None, bytes | None, int]],
        generation: int = 1,
    ) -> Chunk:
        """Records (key, value, timestamp) that lie in the log from offset `first` on."""
        return cls(
            generation,
            partition,
            np.arange(first, first + len(records)),
            Texts.of([key for key, _, _ in records]),
            Texts.of([value for _, value, _ in records]),
            np.array([timestamp for _, _, timestamp in records], np.int64),
        )

    def since(self, offset: int) -> Chunk:
        """The chunk without the records before `offset`."""
        start = int(np.searchsorted(self.offsets, offset))
        return Chunk(
            self.generation,
            self.partition,
            self.offsets[start:],
            self.keys.since(start),
            self.values.since(start),
            self.timestamps[start:],
        )


class Part(NamedTuple):
    """Events of a chunk, with what their records say of each: position and time in the log."""

    events: Events
    positions: Ints
    record_ms: Ints

    def take(self, chosen: Ints) -> Part:
        """The events at these places, in order."""
        if len(chosen) == len(self.positions):
            return self
        return Part(self.events.take(chosen), self.positions[chosen], self.record_ms[chosen])


class Intake:
    """Decodes and checks chunks; one for each worker."""

    def __init__(self, reference: ReferenceData, *, wants_sids: bool) -> None:
        self._reference = reference
        self._decoder = Decoder(wants_sids=wants_sids)

    def shapes(self, events: Events) -> Any:
        """The row of the shape table of each event, of the chunk that was taken in last."""
        return self._decoder.shapes.gather(events.shapes)

    def take_in(self, state: WorkingSet, chunk: Chunk) -> tuple[Part, dict[int, Rejected]]:
        """The good events, and why other records are none, by their index in the chunk.

        Raises PoisonRecordError when the decoder fails on a record, whatever the reason.
        """
        values, aside = chunk.values, []
        if state.quarantined:
            offsets = chunk.offsets.tolist()
            aside = [i for i, offset in enumerate(offsets) if offset in state.quarantined]
            values = values.without(aside)
        events, rejected = self._batch(state, chunk, values)
        for index in aside:
            why = state.quarantined[int(chunk.offsets[index])]
            rejected[index] = Rejected("quarantined", why)
        part = Part(
            events,
            state.position(0) + chunk.offsets[events.records],
            chunk.timestamps[events.records],
        )
        is_good = self._have_keys(events, chunk, rejected)
        is_good &= self._are_timely(part, rejected)
        return part.take(np.flatnonzero(is_good)), rejected

    def _batch(
        self, state: WorkingSet, chunk: Chunk, values: Texts
    ) -> tuple[Events, dict[int, Rejected]]:
        try:
            return self._decoder.batch(values, chunk.keys)
        except Exception:
            for offset, value in zip(chunk.offsets.tolist(), values, strict=True):
                try:
                    self._decoder.batch([value])
                except Exception as error:
                    raise PoisonRecordError(state.partition, offset, error) from error
            raise

    def _have_keys(
        self, events: Events, chunk: Chunk, rejected: dict[int, Rejected]
    ) -> npt.NDArray[np.bool_]:
        """Which events have a key that is theirs; the others are rejected."""
        good = np.ones(len(events.records), np.bool_)
        for place in np.flatnonzero(~events.has_key).tolist():
            index = int(events.records[place])
            phone = events.phones[place] if len(events.phones) else None
            if not key_is_of(chunk.keys[index], int(events.users[place]), phone):
                good[place] = False
                rejected[index] = INVALID_KEY
        return good

    def _are_timely(self, part: Part, rejected: dict[int, Rejected]) -> npt.NDArray[np.bool_]:
        """Which events lie near enough to their records' time; the others are rejected."""
        days = self._reference.current.retention_days
        events, record_ms = part.events, part.record_ms
        late_ms = record_ms - events.occurred_ms
        good = (late_ms >= -MAX_FUTURE_MS) & (late_ms <= days * DAY_MS)
        for place in np.flatnonzero(~good).tolist():
            why = untimely(int(events.occurred_ms[place]), int(record_ms[place]), days)
            if why is not None:
                rejected.setdefault(int(events.records[place]), why)
        return good
