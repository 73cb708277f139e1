"""Decoded events as plain values: from the columns of a batch, and from the strict decoder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from schemas.events import UsageEvent
from schemas.rows import DIRECTIONS, ENCODINGS, MESSAGE_TYPES, STATUS_CODES
from streams.core.columns import Texts
from streams.core.decode import Decoder
from streams.core.shapes import SHAPE
from streams.core.strict import Rejected


class Plain(NamedTuple):
    """One row of `Events`; `shape` by the names of `SHAPE`."""

    sid: str
    occurred_ms: int
    shape: dict[str, object]
    user: int
    segments: int
    body_length: int
    non_gsm_characters: int
    num_media: int
    processing_us: int
    phone: str
    counterparty: str | None
    price: str | None


def by_columns(decoder: Decoder, values: Sequence[bytes | None]) -> list[Plain | Rejected]:
    """What each value becomes in a batch."""
    events, rejected = decoder.batch(values)
    found: dict[int, Plain | Rejected] = {**rejected}
    records = events.records.tolist()
    assert records == sorted(set(range(len(values))) - set(rejected))
    shapes = decoder.shapes.table[events.shapes].tolist()
    columns = (
        map(bytes.decode, events.sids),
        events.occurred_ms.tolist(),
        [dict(zip(SHAPE.names or (), shape, strict=True)) for shape in shapes],
        events.users.tolist(),
        events.segments.tolist(),
        events.body_length.tolist(),
        events.non_gsm_characters.tolist(),
        events.num_media.tolist(),
        events.processing_us.tolist(),
        [phone or "" for phone in texts(events.phones, len(records))],
        texts(events.counterparties, len(records)),
        texts(events.prices, len(records)),
    )
    for record, *row in zip(records, *columns, strict=True):
        found[record] = Plain(*row)
    return [found[index] for index in range(len(values))]


def texts(column: Texts, count: int) -> list[str | None]:
    """A column of texts of so many events; empty if none of them has one."""
    if not len(column):
        return [None] * count
    return [None if text is None else text.decode() for text in column]


def one_by_one(decoder: Decoder, values: Sequence[bytes | None]) -> list[Plain | Rejected]:
    """What the strict decoder makes of each value."""
    results = map(decoder.one, values)
    return [each if isinstance(each, Rejected) else plain(each) for each in results]


def plain(event: UsageEvent) -> Plain:
    """The row that an event is to become."""
    is_inbound = event.direction == "inbound"
    code, time = event.error_code, event.processing_time_ms
    shape = {
        "is_status": event.type == "status",
        "direction": DIRECTIONS["inbound" if is_inbound else "outbound"],
        "message_type": MESSAGE_TYPES[event.message_type],
        "status": STATUS_CODES[event.status or ("received" if is_inbound else "sent")],
        "encoding": ENCODINGS[event.encoding],
        "country": 0 if event.country_code is None else _number(*event.country_code),
        "mcc_mnc": (event.mcc_mnc or "").encode(),
        "has_error": code is not None,
        "error_code": code or 0,
        "currency": event.price_unit.encode(),
    }
    return Plain(
        event.message_sid,
        instant_ms(event.occurred_at),
        shape,
        event.user_id or 0,
        event.segments,
        event.body_length,
        event.non_gsm_characters,
        event.num_media,
        -1 if time is None else round(Decimal(repr(time)) * 1000),
        event.phone_number or "",
        event.counterparty,
        event.price,
    )


def _number(first: str, second: str) -> int:
    return (ord(first) - ord("A")) * 26 + ord(second) - ord("A") + 1


def instant_ms(text: str) -> int:
    """A valid time stamp in ms: its whole second, and the first three digits of the fraction."""
    local, digits, offset = text[:19].upper().replace(" ", "T"), "", text[19:]
    if offset.startswith("."):
        digits = offset[1:].rstrip("Zz").partition("+")[0].partition("-")[0]
        offset = offset[1 + len(digits) :]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    whole = (datetime.fromisoformat(f"{local}+00:00") - epoch) // timedelta(milliseconds=1)
    if offset not in ("Z", "z"):
        minutes = int(offset[1:3]) * 60 + int(offset[4:6])
        whole += minutes * 60_000 * (1 if offset[0] == "-" else -1)
    return whole + int((digits + "000")[:3])
