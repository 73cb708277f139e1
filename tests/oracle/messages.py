"""From a ledger to its messages as they stand at the end: outcomes, costs; sections 3 and 5."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.oracle import events
from tests.oracle.events import Entry
from tests.oracle.ledger import Sent
from tests.oracle.rates import NOTHING, RateCard

# From lowest to highest; outbound and inbound in one order, as neither uses the other's own.
RANKS = {
    status: rank
    for rank, status in enumerate(
        (
            "accepted",
            "scheduled",
            "queued",
            "sending",
            "sent",
            "partially_delivered",
            "canceled",
            "failed",
            "undelivered",
            "delivered",
            "receiving",
            "received",
            "read",
        )
    )
}


@dataclass(frozen=True)
class Message:
    """One message, counted once. Costs in micro-USD, times in ms and µs, user 0 is unknown.

    `counterparty` and `own_number` are E.164; `history` is what was said about it, each thing
    once, in the order of the log; `latency_ms` is from the event to its delivery; `rate_origin`
    says where the card's rate is from.
    """

    sid: str
    user_id: int
    at_ms: int
    direction: str
    message_type: str
    country: str
    segments: int
    body_length: int
    processing_us: int | None
    status: str
    error_code: int | None
    base: int
    carrier_fee: int
    failed_fee: int
    provisional: int
    cost_source: str
    encoding: str | None = None
    non_gsm_characters: int = 0
    num_media: int = 0
    mcc_mnc: str | None = None
    counterparty: str | None = None
    own_number: str | None = None
    latency_ms: int | None = None
    rate_origin: str = "bundled"
    history: tuple[Entry, ...] = ()

    @property
    def cost(self) -> int:
        """The whole cost."""
        return self.base + self.carrier_fee + self.failed_fee


@dataclass
class _Book:
    """What a ledger says of each sid: its first message with its user, and all that was said.

    `delivered_ms` is when the first receipt in the log that says so says it was delivered.
    """

    first: dict[str, tuple[Sent, dict[str, Any], int]]
    histories: dict[str, list[Entry]]
    delivered_ms: dict[str, int]


def fold(
    ledger: Iterable[Sent],
    rates: RateCard,
    with_receipts: bool = True,
    usd_per_unit: Mapping[str, str] = events.USD_ONLY,
) -> list[Message]:
    """Every message of a ledger in order of time, each sid once: its first `message` event.

    Receipts count wherever they stand, before their message too, unless not `with_receipts`.
    Consent counts from where it stands on: messages of users who withdrew it are nobody's, and
    no number of them is kept.
    """
    book, withdrawn = _Book({}, {}, {}), set[int]()
    for sent in ledger:
        if sent.kind in ("poison", "mapping") or sent.value is None:
            continue
        fields = events.load(sent.value)
        if sent.kind == "consent":
            (withdrawn.discard if fields["analytics"] else withdrawn.add)(sent.user_id)
        elif fields.get("type") != "status":
            user_id = 0 if sent.user_id in withdrawn else sent.user_id
            _enter_message(book, sent, fields, user_id, usd_per_unit)
        elif with_receipts:
            _enter_receipt(book, fields, usd_per_unit)
    found = [_message(sid, book, rates) for sid in book.first]
    return sorted(found, key=lambda message: (message.at_ms, message.sid))


def _enter_message(
    book: _Book, sent: Sent, fields: dict[str, Any], user_id: int, usd_per_unit: Mapping[str, str]
) -> None:
    sid = fields["message_sid"]
    if sid not in book.first:
        book.first[sid] = (sent, fields, user_id)
        book.histories.setdefault(sid, []).append(events.entry_of(fields, usd_per_unit))


def _enter_receipt(book: _Book, fields: dict[str, Any], usd_per_unit: Mapping[str, str]) -> None:
    sid, entry = fields["message_sid"], events.entry_of(fields, usd_per_unit)
    book.histories.setdefault(sid, []).append(entry)
    if entry.status == "delivered":
        book.delivered_ms.setdefault(sid, entry.at_ms)


def _message(sid: str, book: _Book, rates: RateCard) -> Message:
    sent, fields, user_id = book.first[sid]
    is_withdrawn = user_id != sent.user_id
    history = list(dict.fromkeys(book.histories[sid]))
    at_ms = events.instant_ms(fields["occurred_at"])
    current = max(history, key=lambda entry: RANKS[entry.status])
    direction = events.direction_of(fields)
    message_type = fields.get("message_type", "sms")
    segments = fields.get("segments", 1)
    asked = rates.price(sent.country, fields.get("mcc_mnc"), direction, message_type, at_ms)
    units = segments if message_type == "sms" else 1
    charged = _charged(history)
    base, carrier_fee, failed_fee = cost(
        current.status,
        charged,
        (asked.base * units, asked.carrier * units, asked.failed_fee),
        is_exempt=current.error_code in rates.exempt,
    )
    delivered_ms = book.delivered_ms.get(sid) if direction == "outbound" else None
    return Message(
        sid=sid,
        user_id=user_id,
        at_ms=at_ms,
        direction=direction,
        message_type=message_type,
        country=sent.country,
        segments=segments,
        body_length=fields.get("body_length", 0),
        processing_us=events.processing_us(fields),
        status=current.status,
        error_code=current.error_code,
        base=base,
        carrier_fee=carrier_fee,
        failed_fee=failed_fee,
        provisional=0 if charged is not None else base + carrier_fee,
        cost_source=asked.source if charged is None else "provider",
        rate_origin="none" if asked is NOTHING else "bundled",
        encoding=fields.get("encoding"),
        non_gsm_characters=fields.get("non_gsm_characters", 0),
        num_media=fields.get("num_media", 0),
        mcc_mnc=fields.get("mcc_mnc"),
        counterparty=None if is_withdrawn else fields.get("counterparty"),
        own_number=None if is_withdrawn else fields.get("phone_number"),
        latency_ms=None if delivered_ms is None else max(0, delivered_ms - at_ms),
        history=tuple(history),
    )


def _charged(history: list[Entry]) -> int | None:
    """The provider's price: of the entries that have one the latest, of equals the one that was
    sent last."""
    prices = [entry for entry in history if entry.price_micros is not None]
    newest = max((entry.at_ms for entry in prices), default=None)
    return next((e.price_micros for e in reversed(prices) if e.at_ms == newest), None)


def cost(
    status: str, charged: int | None, by_card: tuple[int, int, int], is_exempt: bool
) -> tuple[int, int, int]:
    """(base, carrier fee, failed fee) of a message, from the provider's price or the card's.

    Canceled: nothing. Failed: the fee unless exempt, also beside a provider's price; base and
    carrier fee by the card are 0. A provider's price has the carrier fee in it.
    """
    base, carrier_fee, fee = by_card
    if status == "canceled":
        return (0, 0, 0)
    failed_fee = fee if status == "failed" and not is_exempt else 0
    if charged is not None:
        return (charged, 0, failed_fee)
    return (0, 0, failed_fee) if status == "failed" else (base, carrier_fee, 0)
