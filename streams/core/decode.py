"""Bytes of the usage topic to events, or to the reason why not; first step of the flow.

A batch is decoded in one call where that is safe, else record by record, so a poison record costs
its batch one slower decode and nothing more. `schemas.events.UsageEvent` is the only authority on
what is valid: the fast path decodes a twin of it without regular expressions and takes from a memo
which of the few distinct texts (countries, carriers, prices, clock times) were accepted before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET

from schemas.events import MAX_EVENT_BYTES, MAX_PRICE_USD, UsageEvent

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# The decoder's own limit is what the interpreter's stack has left, which would differ by replay.
_MAX_NESTING = 64
_TEXTS = re.compile(rb'"(?:[^"\\\\]|\\\\.)*"', re.DOTALL)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
_AT = re.compile(r" - at `\$\.(\w+).*`$")
_MISSING = re.compile(r"missing required field `(\w+)`")
_FORMATS = {
    "occurred_at": "must be RFC 3339 with seconds and an offset, like 2026-03-01T12:00:00.000Z",
    "phone_number": "must be E.164: + and 2 to 15 digits",
    "counterparty": "must be E.164: + and 2 to 15 digits",
    "country_code": "must be ISO 3166 alpha-2: two capital letters",
    "mcc_mnc": "must be 5 or 6 digits",
    "price": f"must be a decimal string, at most {MAX_PRICE_USD} with at most 12 decimals",
    "price_unit": "must be ISO 4217: three capital letters",
}


class Rejected(msgspec.Struct, frozen=True):
    """A record that goes to the dead-letter topic: a reason of the contract and what was wrong."""

    reason: str
    detail: str


def _without_patterns(annotation: Any) -> Any:
    """`annotation` without the regular expressions in its `Meta`s."""
    if get_origin(annotation) is Annotated:
        inner, meta = get_args(annotation)
        limits: dict[str, Any] = {
            name: getattr(meta, name) for name in ("ge", "le", "min_length", "max_length")
        }
        kept = msgspec.Meta(**limits)
        return Annotated[inner, kept]
    options = get_args(annotation)
    if any(get_origin(option) is Annotated for option in options):
        return Union[tuple(_without_patterns(option) for option in options)]  # noqa: UP007
    return annotation


def _twin_of_usage_event() -> Any:
    hints = get_type_hints(UsageEvent, include_extras=True)
    fields: list[Any] = []
    for field in msgspec.structs.fields(UsageEvent):
        kind = _without_patterns(hints[field.name])
        fields.append((field.name, kind) if field.required else (field.name, kind, field.default))
    return msgspec.defstruct("FastUsageEvent", fields, gc=False)


class Decoder:
    """Decodes records' values. One per worker; its memo holds at most `memo_limit` texts a field.

    After `batch` or `one`, `occurred_ms(event.occurred_at)` gives an event's instant.
    """

    def __init__(self, memo_limit: int = 200_000) -> None:
        self._memo_limit = memo_limit
        self._strict = msgspec.json.Decoder(UsageEvent)
        self._fast = msgspec.json.Decoder(_twin_of_usage_event())
        self._minutes: dict[str, int] = {}
        self._seconds: dict[str, int] = {}
        self._countries: set[str | None] = {None}
        self._carriers: set[str | None] = {None}
        self._prices: set[str | None] = {None}
        self._currencies: set[str] = set()
        self._phones: set[object] = {None, UNSET}

    def batch(
        self, values: Sequence[bytes | None]
    ) -> tuple[list[UsageEvent | Rejected], list[int]]:
        """One event or `Rejected` for each value, in order, and each event's instant in ms."""
        self._forget()
        fast = self._all_at_once(values)
        if fast is None:
            decoded = [self.one(value) for value in values]
            return decoded, [
                0 if isinstance(event, Rejected) else self.occurred_ms(event.occurred_at)
                for event in decoded
            ]
        events: list[UsageEvent | Rejected] = []
        times = []
        minute_of, second_of, known = self._minutes.get, self._seconds.get, self._known
        for event, value in zip(fast, values, strict=True):
            text = event.occurred_at
            minute, second = minute_of(text[:17]), second_of(text[17:])
            if minute is not None and second is not None and known(event):
                events.append(event)
                times.append(minute + second)
            else:
                events.append(one := self.one(value))
                times.append(0 if isinstance(one, Rejected) else self.occurred_ms(one.occurred_at))
        return events, times

    def one(self, value: bytes | None) -> UsageEvent | Rejected:
        """Decode one value by every rule that needs nothing but the value."""
        if value is None:
            return Rejected("invalid_json", "the record has no value")
        if len(value) > MAX_EVENT_BYTES:
            return Rejected("too_large", f"{len(value)} bytes, limit {MAX_EVENT_BYTES}")
        if _is_deeper_than(_MAX_NESTING, value):
            return Rejected("invalid_json", f"nested deeper than {_MAX_NESTING} levels")
        try:
            value.decode()  # the decoder does not look into the texts of unknown fields
            event = self._strict.decode(value)
        except msgspec.ValidationError as error:
            return _refused(str(error))
        except _UNREADABLE as error:
            return Rejected("invalid_json", str(error))
        rejected = _fault_across_fields(event) or self._fault_of_time(event.occurred_at)
        if rejected is None:
            self._remember(event)
            return event
        return rejected

    def occurred_ms(self, text: str) -> int:
        """The instant of a decoded event's `occurred_at` in ms since the epoch, truncated."""
        return self._minutes[text[:17]] + self._seconds[text[17:]]

    def _all_at_once(self, values: Sequence[bytes | None]) -> list[UsageEvent] | None:
        """All values in one call, or None where it is not certain that each gave one item.

        Joined by newlines, n values are n lines if the text has n − 1 newlines, and no line was
        blank or held a part of another if n items come back. (Joined into a JSON array, two
        crafted values could forge an event between them.)
        """
        try:
            joined = b"\n".join(values)  # type: ignore[arg-type]
        except TypeError:  # a tombstone
            return None
        count = len(values)
        if joined.count(b"\n") != count - 1 or max(map(len, values)) > MAX_EVENT_BYTES:  # type: ignore[arg-type]
            return None
        if _brackets(joined) > _MAX_NESTING and max(map(_brackets, values)) > _MAX_NESTING:  # type: ignore[arg-type]
            return None
        try:
            joined.decode()
            events: list[UsageEvent] = self._fast.decode_lines(joined)
        except _UNREADABLE:
            return None
        return events if len(events) == count else None

    def _known(self, event: UsageEvent) -> bool:
        """Whether the strict decoder would accept what the fast one did not look at."""
        return (
            event.country_code in self._countries
            and event.mcc_mnc in self._carriers
            and event.price in self._prices
            and event.price_unit in self._currencies
            and event.counterparty in self._phones
            and event.phone_number in self._phones
            and event.type == "message"
            and event.direction is not UNSET
            and (event.user_id is UNSET) is not (event.phone_number is UNSET)
        )

    def _remember(self, event: UsageEvent) -> None:
        self._countries.add(event.country_code)
        self._carriers.add(event.mcc_mnc)
        self._prices.add(event.price)
        self._currencies.add(event.price_unit)
        self._phones.update((event.counterparty, event.phone_number))

    def _forget(self) -> None:
        for memo in (self._minutes, self._seconds):
            if len(memo) > self._memo_limit:
                memo.clear()
        for texts in (self._countries, self._carriers, self._prices, self._phones):
            if len(texts) > self._memo_limit:
                texts.clear()
                texts.update((None, UNSET))  # type: ignore[arg-type]

    def _fault_of_time(self, text: str) -> Rejected | None:
        """Take note of both halves of a time stamp: up to the minute, and seconds with offset."""
        try:
            self._minutes[text[:17]] = _instant_ms(text[:17] + "00Z")
            self._seconds[text[17:]] = _instant_ms("1970-01-01T00:00:" + text[17:])
        except (ValueError, OverflowError):
            return Rejected("invalid_field", f"occurred_at: {_FORMATS['occurred_at']}")
        return None


def _instant_ms(text: str) -> int:
    # fromisoformat drops digits beyond microseconds, as truncation wants.
    return (datetime.fromisoformat(text.upper()) - _EPOCH) // _MILLISECOND


def _brackets(value: bytes) -> int:
    """At least as many as JSON is deep."""
    return value.count(b"{") + value.count(b"[")


def _is_deeper_than(limit: int, value: bytes) -> bool:
    """Whether JSON is nested deeper than `limit`; exact for well-formed JSON."""
    if _brackets(value) <= limit:
        return False
    depth = deepest = 0
    for byte in _TEXTS.sub(b"", value):
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest > limit


def _refused(error: str) -> Rejected:
    if match := _MISSING.search(error):
        return Rejected("missing_field", f"{match[1]}: required")
    if match := _AT.search(error):
        field = match[1]
        text = _FORMATS[field] if "matching regex" in error else error[: match.start()]
        return Rejected("invalid_field", f"{field}: {text}")
    return Rejected("invalid_json", error)


def _fault_across_fields(event: UsageEvent) -> Rejected | None:
    has_user, has_phone = event.user_id is not UNSET, event.phone_number is not UNSET
    if not has_user and not has_phone:
        return Rejected("missing_field", "user_id: required unless phone_number is given")
    if event.type == "status":
        if event.status is UNSET:
            return Rejected("missing_field", "status: required for type status")
    elif event.direction is UNSET:
        return Rejected("missing_field", "direction: required for type message")
    elif has_user and has_phone:
        return Rejected("invalid_field", "phone_number: a message has it or user_id, not both")
    return None
