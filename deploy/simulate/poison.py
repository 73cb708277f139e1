"""Records that the product must reject: every line of the contract's table, one fault each.

Each kind makes one record or, where records forge an event only together, a few neighbours of one
key: joined into a JSON array or into lines, they would decode without an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deploy.simulate.bad_fields import BAD_FIELDS
from deploy.simulate.records import Record
from deploy.simulate.times import utc

DAY_MS = 86_400_000
_LARGE = 64 * 1024 + 1

Pieces = list[bytes | None]


@dataclass(frozen=True)
class Victim:
    """A valid message to spoil: its Kafka key, its fields, and the moment that it is sent."""

    key: str
    fields: dict[str, Any]
    sent_ms: int


def _encode(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def _with(victim: Victim, **changes: Any) -> bytes:
    """The message with changed fields; a changed identity replaces the other kind of identity."""
    fields = victim.fields | changes
    if "phone_number" in changes:
        fields.pop("user_id", None)
    if "user_id" in changes:
        fields.pop("phone_number", None)
    return _encode(fields)


def _without(victim: Victim, names: tuple[str, ...]) -> bytes:
    return _encode({name: value for name, value in victim.fields.items() if name not in names})


def _padded(victim: Victim, size: int) -> bytes:
    filler = size - len(_encode(victim.fields | {"body": ""}))
    return _encode(victim.fields | {"body": "x" * filler})


def _forged_array(victim: Victim) -> Pieces:
    """`[a,b,c]` of these has three items, one of which nobody sent."""
    good = _encode(victim.fields)
    forged = _encode(victim.fields | {"message_sid": victim.fields["message_sid"] + "F"})
    return [good[:-1] + b',"x":"', b'"}', good + b"," + forged]


def _forged_lines(victim: Victim) -> Pieces:
    """Two values, but joined by a newline two events of which nobody sent the second."""
    good = _encode(victim.fields)
    forged = _encode(victim.fields | {"message_sid": victim.fields["message_sid"] + "F"})
    return [good[:-1] + b',"x":', b"1}\n" + forged]


NOT_JSON: tuple[Callable[[Victim], Pieces], ...] = (
    lambda v: [None],
    lambda v: [b""],
    lambda v: [b" \n\t"],
    lambda v: [b"null"],
    lambda v: [b"42"],
    lambda v: [b'"delivered"'],
    lambda v: [b"[]"],
    lambda v: [b"[" + _encode(v.fields) + b"]"],
    lambda v: [b"[" * 60_000],
    lambda v: [_encode(v.fields)[:-1] + b',"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}"],
    lambda v: [_encode(v.fields)[:-1]],
    lambda v: [_encode(v.fields)[:40]],
    lambda v: [_encode(v.fields) + b"}"],
    lambda v: [_encode(v.fields) + b"\n" + _encode(v.fields)],
    lambda v: [_encode(v.fields)[:-1] + b",}"],
    lambda v: [_encode(v.fields)[:-1] + b',"x":NaN}'],
    lambda v: [_encode(v.fields).replace(b'"', b"'")],
    lambda v: [_encode(v.fields)[:-1] + b',"body":"two\nlines"}'],
    lambda v: [_encode(v.fields)[:-1] + b',"body":"Gr\xfc\xdfe"}'],
    lambda v: [_encode(v.fields).replace(b'"message_sid":"', b'"message_sid":"\xff')],
    lambda v: [_encode(v.fields).decode().encode("utf-16")],
    _forged_array,
    _forged_lines,
)

MISSING: tuple[tuple[str, ...], ...] = (
    ("event_id",),
    ("message_sid",),
    ("occurred_at",),
    ("direction",),
    ("user_id", "phone_number"),
)

WRONG_KEYS: tuple[Callable[[str], str | None], ...] = (
    lambda key: None,
    lambda key: "",
    lambda key: f"{key}0",
    lambda key: f"0{key}",
    lambda key: f" {key}",
    lambda key: "router-7",
    lambda key: "+15005550006",
)

# Years away from the moment of sending, so that a ledger can be sent again much later.
DISTANCES_MS = {
    "in_future": (400 * DAY_MS, 20_000 * DAY_MS),
    "too_old": (-401 * DAY_MS, -10_000 * DAY_MS),
}
SIZES = (_LARGE, 2 * _LARGE, 5 * _LARGE)
CURRENCIES = ("EUR", "JPY", "XXX")


@dataclass(frozen=True)
class Fault:
    """One way to spoil a message: the reason to reject it, the values to send, under which key."""

    reason: str
    values: Callable[[Victim], Pieces]
    key: Callable[[str], str | None] = str

    def records(self, victim: Victim) -> list[Record]:
        """The records to send next to each other."""
        key = self.key(victim.key)
        return [Record(key, value, "poison", reason=self.reason) for value in self.values(victim)]


def _too_large(size: int) -> Fault:
    return Fault("too_large", lambda v: [_padded(v, size)])


def _out_of_time(reason: str, distance_ms: int) -> Fault:
    return Fault(reason, lambda v: [_with(v, occurred_at=utc(v.sent_ms + distance_ms))])


def _foreign(currency: str) -> Fault:
    return Fault("unsupported_currency", lambda v: [_with(v, price="-0.0100", price_unit=currency)])


def _invalid(field: str, value: Any) -> Fault:
    return Fault("invalid_field", lambda v: [_with(v, **{field: value})])


def _missing(names: tuple[str, ...]) -> Fault:
    return Fault("missing_field", lambda v: [_without(v, names)])


FAULTS: tuple[Fault, ...] = (
    *(_invalid(field, value) for field, values in BAD_FIELDS.items() for value in values),
    *(Fault("invalid_json", make) for make in NOT_JSON),
    *map(_missing, MISSING),
    Fault("missing_field", lambda v: [_without(v, ("status",))[:-1] + b',"type":"status"}']),
    Fault("missing_field", lambda v: [b"{}"]),
    *(Fault("invalid_key", lambda v: [_encode(v.fields)], key) for key in WRONG_KEYS),
    *(_out_of_time(reason, ms) for reason, distances in DISTANCES_MS.items() for ms in distances),
    *map(_too_large, SIZES),
    *map(_foreign, CURRENCIES),
)
