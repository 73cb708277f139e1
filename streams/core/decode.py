"""Bytes of the usage topic to columns, or to the reason why not; first step of the flow.

`schemas.events.UsageEvent` is the only authority on what is valid. Nearly every record is of the
usual form, which compiled loops make columns of (`scan.py`). The others go to a twin of that type
without regular expressions; these are applied to texts that were not accepted before. Whatever
that does not accept goes the strict way, alone, so a poison record costs its batch one slower
decode and nothing more.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from schemas.events import MAX_EVENT_BYTES, UsageEvent
from streams.core.clock import Clock
from streams.core.columns import NO_TEXTS, Flags, Ints, Texts, nothing
from streams.core.compiled.events import FIELDS, NUMBERS
from streams.core.events import Events
from streams.core.scan import Scanned, ShapeIndex, scan
from streams.core.shapes import Key, Shapes
from streams.core.strict import MAX_NESTING, PATTERNS, UNREADABLE, Judge, Rejected, is_deeper_than
from streams.core.twin import twin_of_usage_event


class Decoder:
    """Decodes records' values. One per worker; a memo holds about `memo_limit` texts.

    Sids are left out of the columns unless somebody wants them.
    """

    def __init__(self, memo_limit: int = 200_000, *, wants_sids: bool = True) -> None:
        self._memo_limit = memo_limit
        self._wants_sids = wants_sids
        self._fast = msgspec.json.Decoder(twin_of_usage_event())
        self._clock = Clock(PATTERNS["occurred_at"], memo_limit)
        self._judge = Judge(self._clock)
        self._prices: set[str | None] = {None}
        self._phones: set[str | None] = {None, ""}
        self.shapes = Shapes(PATTERNS, memo_limit)
        self._index = ShapeIndex()

    def batch(
        self, values: Texts | Sequence[bytes | None], keys: Texts | None = None
    ) -> tuple[Events, dict[int, Rejected]]:
        """The accepted events, and why each of the other values, by its index, is not.

        `keys` are those of the records; without them no event is known to have its key.
        """
        self._forget()
        if not isinstance(values, Texts):
            values = Texts.of(values)
        scanned = scan(values, nothing(len(values)) if keys is None else keys)
        shapes = self._known_shapes(scanned, values)
        is_usual = scanned.is_usual & (shapes >= 0) & self._are_whole(scanned, shapes)
        usual, index = np.flatnonzero(is_usual), np.flatnonzero(~is_usual)
        events = self._usual(scanned, usual, shapes[usual])
        rejected: dict[int, Rejected] = {}
        if len(index):
            others = self._others([values[place] for place in index.tolist()], index, rejected)
            events = events.merged(others)
        return events, rejected

    def _known_shapes(self, scanned: Scanned, values: Texts) -> Ints:
        """The shape of each usual record; −1 where the strict decoder has to judge it."""
        rows = self._index.rows(scanned)
        codes = self._index.codes
        for place in np.flatnonzero(scanned.is_usual & (codes[rows] < 0)).tolist():
            # A record that is refused for another field says nothing about its shape.
            if codes[rows[place]] < 0 and (event := self._alone(values[place])) is not None:
                codes[rows[place]] = self.shapes.code(_shape(event))
        shapes: Ints = np.where(rows >= 0, codes[rows], -1)
        return shapes

    def _sids(self, scanned: Scanned, places: Ints) -> list[bytes]:
        texts = scanned.texts("message_sid", places) if self._wants_sids else NO_TEXTS
        return [text or b"" for text in texts]

    def _are_whole(self, scanned: Scanned, shapes: Ints) -> Flags:
        """Which records name a user as an event of their type must."""
        has_user = scanned.numbers[:, NUMBERS.index("user_id")] > 0
        has_phone = scanned.sizes[:, FIELDS.index("phone_number")] >= 0
        is_status = self.shapes.table["is_status"][shapes]
        good: Flags = np.where(is_status, has_user | has_phone, has_user ^ has_phone)
        return good

    def _usual(self, scanned: Scanned, places: Ints, shapes: Ints) -> Events:
        """The columns of records of the usual form."""
        return Events(
            places,
            scanned.has_key[places],
            self._sids(scanned, places),
            scanned.occurred_ms[places],
            shapes,
            users=scanned.number("user_id", places),
            segments=scanned.number("segments", places),
            body_length=scanned.number("body_length", places),
            non_gsm_characters=scanned.number("non_gsm_characters", places),
            num_media=scanned.number("num_media", places),
            processing_us=scanned.processing_us[places],
            phones=scanned.texts("phone_number", places),
            counterparties=scanned.texts("counterparty", places),
            prices=scanned.texts("price", places),
        )

    def _others(
        self, values: list[bytes | None], index: Ints, rejected: dict[int, Rejected]
    ) -> Events:
        """The accepted ones of other values, whose places in the batch are `index`."""
        decoded = self._decoded(values)
        if None in decoded:
            good = [place for place, event in enumerate(decoded) if event is not None]
            for place in np.delete(np.arange(len(values)), good).tolist():
                rejected[int(index[place])] = self._reason(values[place])
            decoded = [decoded[place] for place in good]
            values = [values[place] for place in good]
            index = index[good]
        events, suspects = self._columns(decoded, index)
        if len(suspects):
            for place in suspects.tolist():
                rejected[int(index[place])] = self._reason(values[place])
            events = events.take(np.delete(np.arange(len(index)), suspects))
        return events

    def one(self, value: bytes | None) -> UsageEvent | Rejected:
        """What the strict decoder makes of one value."""
        return self._judge.one(value)

    def _reason(self, value: bytes | None) -> Rejected:
        rejected = self.one(value)
        assert isinstance(rejected, Rejected), "the fast way refused what the strict way accepts"
        return rejected

    def _decoded(self, values: Sequence[bytes | None]) -> list[Any]:
        """Values by the fast decoder; None where that fails for whatever reason."""
        if not _are_plain(values):
            return [self._alone(value) for value in values]
        decode: Callable[[Any], Any] = self._fast.decode
        events: list[Any] = []
        rest = iter(values)
        while len(events) < len(values):
            try:
                events.extend(map(decode, rest))
            except UNREADABLE:
                events.append(None)  # the value that failed; those before it are in the list
        return events

    def _alone(self, value: bytes | None) -> Any:
        if value is None or len(value) > MAX_EVENT_BYTES or is_deeper_than(MAX_NESTING, value):
            return None
        try:
            value.decode()
            return self._fast.decode(value)
        except UNREADABLE:
            return None

    def _columns(self, events: list[Any], index: Ints) -> tuple[Events, Ints]:
        """The columns of events, and the places of those that the strict decoder has to judge."""
        shapes = self.shapes.codes([_shape(event) for event in events])
        users = _ints([event.user_id for event in events])
        phones = [event.phone_number for event in events]
        counterparties = [event.counterparty for event in events]
        prices = [event.price for event in events]
        times, is_wrong = self._clock.instants_ms([event.occurred_at for event in events])
        has_user = users > 0
        has_phone = np.array(list(map(bool, phones)), np.bool_)
        is_status = self.shapes.table["is_status"][shapes]
        is_wrong |= (shapes < 0) | ~(has_user | has_phone) | (has_user & has_phone & ~is_status)
        is_wrong |= _are_wrong("phone_number", phones, self._phones)
        is_wrong |= _are_wrong("counterparty", counterparties, self._phones)
        is_wrong |= _are_wrong("price", prices, self._prices)
        columns = Events(
            index,
            np.zeros(len(index), np.bool_),
            [event.message_sid.encode() for event in events] if self._wants_sids else [],
            times,
            shapes,
            users,
            _ints([event.segments for event in events]),
            _ints([event.body_length for event in events]),
            _ints([event.non_gsm_characters for event in events]),
            _ints([event.num_media for event in events]),
            micros_of_ms([event.processing_time_ms for event in events]),
            _texts(phones),
            _texts(counterparties),
            _texts(prices),
        )
        return columns, np.flatnonzero(is_wrong)

    def _forget(self) -> None:
        self.shapes.forget()
        if not len(self.shapes) or len(self._index) > self._memo_limit:
            self._index.clear()
        self._clock.forget()
        for texts in (self._prices, self._phones):
            if len(texts) > self._memo_limit:
                texts.clear()
                texts.update((None, ""))


def _shape(event: Any) -> Key:
    return (
        event.type,
        event.direction,
        event.message_type,
        event.status,
        event.encoding,
        event.country_code,
        event.mcc_mnc,
        event.error_code,
        event.price_unit,
    )


def _texts(column: Sequence[str | None]) -> Texts:
    """A column of texts that are not empty, if there is any."""
    return (
        Texts.of([text.encode() if text else None for text in column]) if any(column) else NO_TEXTS
    )


def _are_wrong(field: str, texts: Sequence[str | None], accepted: set[str | None]) -> Any:
    """Which texts lack the field's pattern; `accepted` remembers those that have it."""
    if accepted.issuperset(texts):
        return np.zeros(len(texts), np.bool_)
    search = PATTERNS[field].search
    accepted.update(text for text in set(texts) - accepted if text and search(text))
    return np.array([text not in accepted for text in texts], np.bool_)


def micros_of_ms(values: Sequence[float | None]) -> Ints:
    """Decimal ms as integer µs, rounded half-even by their decimal digits; −1 for None."""
    given = np.array(values, np.float64)
    scaled = given * 1000
    nearest = np.rint(scaled)
    micros = np.where(np.isnan(given), -1, nearest).astype(np.int64)
    for place in np.flatnonzero(np.abs(scaled - nearest) >= 0.499).tolist():
        micros[place] = round(Decimal(repr(values[place])) * 1000)
    return micros


def _ints(values: list[int]) -> Ints:
    return np.frombuffer(array("q", values), np.int64)


def _are_plain(values: Sequence[bytes | None]) -> bool:
    """Whether every value is UTF-8, neither too long nor too deep; False when it may not be.

    Values may be joined to be looked at: what is well-formed JSON begins and ends with ASCII, so
    no two of them make up for each other's broken characters.
    """
    present = [value for value in values if value is not None]
    joined = b"".join(present)
    if len(present) < len(values) or not joined:
        return False
    if len(joined) > MAX_EVENT_BYTES < max(map(len, present)):
        return False
    # `[` and `{` differ in one bit; a value is at most as deep as it has of them.
    brackets = np.flatnonzero((np.frombuffer(joined, np.uint8) & 0xDF) == ord("["))
    ends = np.cumsum(np.fromiter(map(len, present), np.int64, len(present)))
    if np.diff(np.searchsorted(brackets, ends), prepend=0).max() > MAX_NESTING:
        return False
    try:
        joined.decode()
    except UnicodeDecodeError:
        return False
    return True
