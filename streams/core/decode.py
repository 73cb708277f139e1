"""Bytes of the usage topic to events, or to the reason why not; first step of the flow.

A batch is decoded in one call where that is safe, else record by record, so a poison record costs
its batch one slower decode and nothing more. `schemas.events.UsageEvent` is the only authority on
what is valid: the fast path decodes a twin of it without regular expressions, and applies these
only to texts (countries, carriers, prices, clock times) that were not accepted before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET

from schemas.events import MAX_EVENT_BYTES, MAX_PRICE_USD, UsageEvent

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SECONDS = {f"{second:02}": second * 1000 for second in range(60)}
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


def _patterns() -> dict[str, re.Pattern[str]]:
    """The regular expressions of the event's fields."""
    found = {}
    for field, annotation in get_type_hints(UsageEvent, include_extras=True).items():
        for option in (annotation, *get_args(annotation)):
            for meta in getattr(option, "__metadata__", ()):
                if meta.pattern is not None:
                    found[field] = re.compile(meta.pattern)
    return found


_PATTERNS = _patterns()


class Decoder:
    """Decodes records' values. One per worker; its memo holds at most `memo_limit` texts a field.

    After `batch` or `one`, `occurred_ms(event.occurred_at)` gives an event's instant.
    """

    def __init__(self, memo_limit: int = 200_000) -> None:
        self._memo_limit = memo_limit
        self._strict = msgspec.json.Decoder(UsageEvent)
        self._fast = msgspec.json.Decoder(_twin_of_usage_event())
        self._minutes: dict[str, int] = {}
        self._fractions: dict[str, int] = {}
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
        fast = self._fast_events(values)
        events: list[UsageEvent | Rejected] = []
        times = []
        for event, value in zip(fast, values, strict=True):
            at = None if event is None else self._time_of(event.occurred_at)
            if event is not None and at is not None and self._known(event):
                events.append(event)
                times.append(at)
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
        return event if rejected is None else rejected

    def occurred_ms(self, text: str) -> int:
        """The instant of a decoded event's `occurred_at` in ms since the epoch, truncated."""
        return self._minutes[text[:17]] + _SECONDS[text[17:19]] + self._fractions[text[19:]]

    def _fast_events(self, values: Sequence[bytes | None]) -> list[UsageEvent | None]:
        """Values by the fast decoder; None where the strict one has to look."""
        is_line = [
            value is not None
            and value.startswith(b"{")
            and value.endswith(b"}")
            and b"\n" not in value
            for value in values
        ]
        lines: list[Any] = list(compress(values, is_line))
        together = self._together(lines)
        if together is None:
            return [self._alone(value) for value in values]
        if len(lines) == len(values):
            return together
        decoded = iter(together)
        return [next(decoded) if one_line else None for one_line in is_line]

    def _together(self, lines: Sequence[bytes]) -> list[UsageEvent | None] | None:
        """Lines from `{` to `}` in one call, or None unless it is certain that each is one item.

        The decoder takes newlines for white space. But no item can go on over the end of such a
        line, for `}` before `{` is never JSON within one; so n lines hold n items or more, and
        one each if n come back. (Joined otherwise, say into a JSON array, crafted values could
        forge an event between them.)
        """
        joined = b"\n".join(lines)
        if max(map(len, lines), default=0) > MAX_EVENT_BYTES:
            return None
        if _brackets(joined) > _MAX_NESTING and max(map(_brackets, lines)) > _MAX_NESTING:
            return None
        try:
            joined.decode()
            events: list[UsageEvent | None] = self._fast.decode_lines(joined)
        except _UNREADABLE:
            return None
        return events if len(events) == len(lines) else None

    def _alone(self, value: bytes | None) -> UsageEvent | None:
        """One value by the fast decoder, None where that fails for whatever reason."""
        if value is None or len(value) > MAX_EVENT_BYTES or _brackets(value) > _MAX_NESTING:
            return None
        try:
            value.decode()
            event: UsageEvent = self._fast.decode(value)
        except _UNREADABLE:
            return None
        return event

    def _known(self, event: UsageEvent) -> bool:
        """Whether the strict decoder would accept what the fast one did not look at."""
        fits = self._fits
        return (
            (event.country_code in self._countries or fits("country_code", event, self._countries))
            and (event.mcc_mnc in self._carriers or fits("mcc_mnc", event, self._carriers))
            and (event.price in self._prices or fits("price", event, self._prices))
            and (
                event.price_unit in self._currencies or fits("price_unit", event, self._currencies)
            )
            and (event.counterparty in self._phones or fits("counterparty", event, self._phones))
            and (event.phone_number in self._phones or fits("phone_number", event, self._phones))
            and event.type == "message"
            and event.direction is not UNSET
            and (event.user_id is UNSET) is not (event.phone_number is UNSET)
        )

    def _time_of(self, text: str) -> int | None:
        """The instant of a time stamp in ms; None where the strict decoder would refuse it."""
        minute, fraction = self._minutes.get(text[:17]), self._fractions.get(text[19:])
        if minute is not None and fraction is not None and text[17:19] in _SECONDS:
            return minute + _SECONDS[text[17:19]] + fraction
        if _PATTERNS["occurred_at"].search(text) is None or self._fault_of_time(text):
            return None
        return self.occurred_ms(text)

    def _fits(self, field: str, event: UsageEvent, accepted: set[Any]) -> bool:
        """Whether a text that was not seen before has its pattern; then it is remembered."""
        text = getattr(event, field)
        if _PATTERNS[field].search(text) is None:
            return False
        accepted.add(text)
        return True

    def _forget(self) -> None:
        for memo in (self._minutes, self._fractions):
            if len(memo) > self._memo_limit:
                memo.clear()
        for texts in (self._countries, self._carriers, self._prices, self._phones):
            if len(texts) > self._memo_limit:
                texts.clear()
                texts.update((None, UNSET))  # type: ignore[arg-type]

    def _fault_of_time(self, text: str) -> Rejected | None:
        """Take note of a time stamp up to the minute, and from the fraction of a second on."""
        try:
            self._minutes[text[:17]] = _instant_ms(text[:17] + "00Z")
            self._fractions[text[19:]] = _instant_ms("1970-01-01T00:00:00" + text[19:])
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
