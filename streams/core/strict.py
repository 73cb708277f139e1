"""One record judged by every rule that needs nothing but its value: an event, or why it is none.

The only place that says why. `streams.core.decode` asks it about all that its faster ways refuse.
"""

from __future__ import annotations

import re
from typing import get_args, get_type_hints

import msgspec
from msgspec import UNSET

from schemas.events import MAX_EVENT_BYTES, MAX_PRICE_USD, UsageEvent
from streams.core.clock import Clock

# The decoder's own limit is what the interpreter's stack has left, which would differ by replay.
MAX_NESTING = 64
_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
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


def _patterns() -> dict[str, re.Pattern[str]]:
    """The regular expressions of the event's fields."""
    found = {}
    for field, annotation in get_type_hints(UsageEvent, include_extras=True).items():
        for option in (annotation, *get_args(annotation)):
            for meta in getattr(option, "__metadata__", ()):
                if meta.pattern is not None:
                    found[field] = re.compile(meta.pattern)
    return found


PATTERNS = _patterns()


class Judge:
    """Decodes single values by the contract's type; `clock` knows which instants there are."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._strict = msgspec.json.Decoder(UsageEvent)

    def one(self, value: bytes | None) -> UsageEvent | Rejected:
        """Decode one value by every rule that needs nothing but the value."""
        if value is None:
            return Rejected("invalid_json", "the record has no value")
        if len(value) > MAX_EVENT_BYTES:
            return Rejected("too_large", f"{len(value)} bytes, limit {MAX_EVENT_BYTES}")
        if is_deeper_than(MAX_NESTING, value):
            return Rejected("invalid_json", f"nested deeper than {MAX_NESTING} levels")
        try:
            value.decode()  # the decoder does not look into the texts of unknown fields
            event = self._strict.decode(value)
        except msgspec.ValidationError as error:
            return _refused(str(error))
        except UNREADABLE as error:
            return Rejected("invalid_json", str(error))
        rejected = _fault_across_fields(event)
        if rejected is None and self._clock.instant_ms(event.occurred_at) is None:
            return Rejected("invalid_field", f"occurred_at: {_FORMATS['occurred_at']}")
        return event if rejected is None else rejected


def is_deeper_than(limit: int, value: bytes) -> bool:
    """Whether JSON is nested deeper than `limit`; exact for well-formed JSON."""
    if value.count(b"{") + value.count(b"[") <= limit:
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
