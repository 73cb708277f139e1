"""One usage event after the other, from JSON to columns, if it is of the form that routers send.

That is: flat, ASCII, without escapes, each field once, every value within its limits. All else is
left to the strict decoder, so what is accepted here must be what it accepts, with equal values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.events import MAX_EVENT_BYTES
from streams.core.compiled.compiling import compiled, pointer
from streams.core.compiled.texts import (
    decimal_end,
    instant_ms,
    integer,
    integer_end,
    is_phone_number,
    is_price,
    thousandths,
)

SHAPE_FIELDS = (
    "type",
    "direction",
    "message_type",
    "status",
    "encoding",
    "country_code",
    "mcc_mnc",
    "error_code",
    "price_unit",
)
"""Small texts that repeat, in the order of `shapes.Key`: not judged here, but looked up."""
NUMBERS = ("user_id", "segments", "body_length", "non_gsm_characters", "num_media")
FIELDS = (
    *SHAPE_FIELDS,
    *("message_sid", "phone_number", "counterparty", "price"),
    *NUMBERS,
    *("event_id", "occurred_at", "processing_time_ms"),
)
WIDTH = len(FIELDS)
SHAPES = len(SHAPE_FIELDS)
MAX_SHAPE_BYTES = 32
"""A longer value of a shape's field is not of the usual form."""

_SID, _PHONE, _PRICE = (FIELDS.index(name) for name in ("message_sid", "phone_number", "price"))
_USER, _EVENT_ID, _OCCURRED_AT, _PROCESSING = (
    FIELDS.index(name) for name in ("user_id", "event_id", "occurred_at", "processing_time_ms")
)
_NEEDED = 1 << _SID | 1 << _EVENT_ID | 1 << _OCCURRED_AT
_MAX_TEXT = 64
_MOST_PROCESSING_MS = 86_400_000
_QUOTE, _BACKSLASH, _COMMA, _COLON, _OPEN, _CLOSE, _N, _U, _L = (ord(c) for c in '"\\,:{}nul')

_NAME_BYTES = 20
_NAMES = np.zeros((WIDTH, _NAME_BYTES), np.uint8)
_SLOTS = np.full(256, -1, np.int64)
for _number, _name in enumerate(FIELDS):
    _NAMES[_number, : len(_name)] = np.frombuffer(_name.encode(), np.uint8)
    _slot = (len(_name) + ord(_name[0]) * 10 + ord(_name[-1]) * 2) & 255
    assert _SLOTS[_slot] < 0, "the hash of names is not perfect any more"
    _SLOTS[_slot] = _number
_LIMITS = np.array([[1, 1, 0, 0, 0], [2**53 - 1, 100, 65535, 65535, 10]], np.int64)
"""The least and the most of each of `NUMBERS`."""
_SIZES = np.array([len(name) for name in FIELDS], np.int64)


@compiled
def scan_events(
    content: Any,
    value_starts: Any,
    value_sizes: Any,
    keys: Any,
    key_starts: Any,
    key_sizes: Any,
    is_usual: Any,
    has_key: Any,
    numbers: Any,
    occurred_ms: Any,
    processing_us: Any,
    starts: Any,
    sizes: Any,
    tables: Any,
) -> None:
    """Scan the records that lie in `content`; for the columns see `scan.Scanned`."""
    text, key_text = pointer(content), pointer(keys)
    names, slots = pointer(tables[0]), pointer(tables[1])
    name_sizes, limits = pointer(tables[2]), pointer(tables[3])
    number, start, size = pointer(numbers), pointer(starts), pointer(sizes)
    instant, micros = pointer(occurred_ms), pointer(processing_us)
    for record in range(len(value_starts)):
        begin, length = value_starts[record], value_sizes[record]
        if 0 < length <= MAX_EVENT_BYTES:
            is_usual[record] = _scan(
                text, begin, begin + length, record, names, slots, name_sizes, limits,
                number, instant, micros, start, size,
            )  # fmt: skip
            row, key_begin = record * WIDTH, key_starts[record]
            key_end = key_begin + key_sizes[record]
            has_key[record] = _is_same(
                text, start[row + _USER], size[row + _USER], key_text, key_begin, key_end
            ) or _is_same(
                text, start[row + _PHONE], size[row + _PHONE], key_text, key_begin, key_end
            )


@compiled
def _scan(
    text: Any,
    at: int,
    end: int,
    record: int,
    names: Any,
    slots: Any,
    name_sizes: Any,
    limits: Any,
    number: Any,
    instant: Any,
    micros: Any,
    start: Any,
    size: Any,
) -> bool:
    """Whether a record is of the usual form; its columns are set then."""
    _clear(record, number, micros, start, size)
    at = _skip_space(text, at, end)
    if at == end or text[at] != _OPEN:
        return False
    seen = 0
    while True:
        at = _skip_space(text, at + 1, end)
        if at == end or text[at] != _QUOTE:
            return False
        name = at + 1
        at = _text_end(text, name, end)
        if at < 0:
            return False
        field = _field(text, name, at - name, names, slots, name_sizes)
        at = _skip_space(text, at + 1, end)
        if at == end or text[at] != _COLON:
            return False
        first = _skip_space(text, at + 1, end)
        if first == end:
            return False
        at = _value_end(text, first, end, field == _PROCESSING)
        if at < 0:
            return False
        if field >= 0:
            if seen >> field & 1:
                return False
            seen |= 1 << field
            if not _take(
                text, field, first, at, record, limits, number, instant, micros, start, size
            ):
                return False
        at = _skip_space(text, at, end)
        if at == end:
            return False
        if text[at] == _CLOSE:
            break
        if text[at] != _COMMA:
            return False
    return _skip_space(text, at + 1, end) == end and seen & _NEEDED == _NEEDED


@compiled
def _clear(record: int, number: Any, micros: Any, start: Any, size: Any) -> None:
    for column in range(record * WIDTH, record * WIDTH + WIDTH):
        start[column], size[column] = 0, -1
    row = record * len(NUMBERS)
    number[row], number[row + 1] = 0, 1
    number[row + 2] = number[row + 3] = number[row + 4] = 0
    micros[record] = -1


@compiled
def _value_end(text: Any, at: int, end: int, is_decimal: bool) -> int:
    """Where a text, a null or a number ends; −1 if it is none, or not of the usual form."""
    if text[at] == _QUOTE:
        at = _text_end(text, at + 1, end)
        return at + 1 if at >= 0 else -1
    if text[at] == _N:
        is_null = at + 4 <= end and text[at + 1] == _U and text[at + 2] == _L and text[at + 3] == _L
        return at + 4 if is_null else -1
    if is_decimal:
        return decimal_end(text, at, end)
    return integer_end(text, at, end)


@compiled
def _take(
    text: Any,
    field: int,
    first: int,
    end: int,
    record: int,
    limits: Any,
    number: Any,
    instant: Any,
    micros: Any,
    start: Any,
    size: Any,
) -> bool:
    """Whether a value is one that its field may have; its columns are set then."""
    kind = text[first]
    column = record * WIDTH + field
    if field < SHAPES:
        start[column], size[column] = first, end - first
        return end - first <= MAX_SHAPE_BYTES
    if field <= _PRICE or field == _EVENT_ID:
        if kind == _N:
            return field > _PHONE and field != _EVENT_ID
        start[column], size[column] = first + 1, end - first - 2
        if kind != _QUOTE or end - first < 3 or end - first - 2 > _MAX_TEXT:
            return False
        if field == _PRICE:
            return is_price(text, first + 1, end - 1)
        return field in (_SID, _EVENT_ID) or is_phone_number(text, first + 1, end - 1)
    if field == _OCCURRED_AT:
        instant[record] = instant_ms(text, first + 1, end - 1) if kind == _QUOTE else -1
        return bool(instant[record] >= 0)
    if field == _PROCESSING:
        if kind == _N:
            return True
        if kind == _QUOTE:
            return False
        micros[record] = thousandths(text, first, end, _MOST_PROCESSING_MS)
        return bool(micros[record] >= 0)
    if kind in (_QUOTE, _N) or end - first > 18:
        return False
    which = field - _USER
    value = integer(text, first, end)
    number[record * len(NUMBERS) + which] = value
    start[column], size[column] = first, end - first
    return bool(limits[which] <= value <= limits[len(NUMBERS) + which])


@compiled
def _skip_space(text: Any, at: int, end: int) -> int:
    while at < end and (text[at] == 32 or 9 <= text[at] <= 10 or text[at] == 13):
        at += 1
    return at


@compiled
def _text_end(text: Any, at: int, end: int) -> int:
    """Where the quote is that ends a text; −1 if there is none, or anything but plain ASCII."""
    while at < end:
        byte = text[at]
        if byte == _QUOTE:
            return at
        if byte < 32 or byte > 126 or byte == _BACKSLASH:
            return -1
        at += 1
    return -1


@compiled
def _field(text: Any, at: int, length: int, names: Any, slots: Any, name_sizes: Any) -> int:
    """The number of a field by its name; −1 for one that is not known."""
    if length == 0:
        return -1
    field: int = slots[(length + int(text[at]) * 10 + int(text[at + length - 1]) * 2) & 255]
    if field < 0 or name_sizes[field] != length:
        return -1
    for place in range(length):
        if text[at + place] != names[field * _NAME_BYTES + place]:
            return -1
    return field


@compiled
def _is_same(text: Any, first: int, length: int, key: Any, key_first: int, key_end: int) -> bool:
    if length <= 0 or length != key_end - key_first:
        return False
    for place in range(length):
        if text[first + place] != key[key_first + place]:
            return False
    return True


TABLES = (_NAMES.reshape(-1), _SLOTS, _SIZES, _LIMITS.reshape(-1))
"""What `scan_events` looks up."""
