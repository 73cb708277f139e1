"""From a ledger to its messages as they stand at the end: outcomes, costs; sections 3 and 5."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.oracle import events
from tests.oracle.events import Entry
from tests.oracle.ledger import Sent
from tests.oracle.rates import RateCard

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
    """One message, counted once. Costs in micro-USD, times in ms and µs, user 0 is unknown."""

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

    @property
    def cost(self) -> int:
        """The whole cost."""
        return self.base + self.carrier_fee + self.failed_fee


def fold(ledger: Iterable[Sent], rates: RateCard, with_receipts: bool = True) -> list[Message]:
    """Every message of a ledger in order of time, each sid once: its first `message` event.

    Receipts count wherever they stand, before their message too, unless not `with_receipts`.
    """
    first: dict[str, tuple[Sent, dict[str, Any]]] = {}
    histories: dict[str, list[Entry]] = {}
    for sent in ledger:
        if sent.kind in ("poison", "mapping") or sent.value is None:
            continue
        fields = events.load(sent.value)
        sid, is_status = fields["message_sid"], fields.get("type") == "status"
        if is_status and not with_receipts:
            continue
        if not is_status and sid in first:
            continue
        histories.setdefault(sid, []).append(events.entry_of(fields))
        if not is_status:
            first[sid] = (sent, fields)
    found = [_message(sent, fields, histories[sid], rates) for sid, (sent, fields) in first.items()]
    return sorted(found, key=lambda message: (message.at_ms, message.sid))


def _message(sent: Sent, fields: dict[str, Any], history: list[Entry], rates: RateCard) -> Message:
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
    return Message(
        sid=fields["message_sid"],
        user_id=sent.user_id,
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
