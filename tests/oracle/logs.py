"""The usage log, its messages one by one, and the users with usage; contract section 4."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.oracle.events import Entry
from tests.oracle.messages import Message
from tests.oracle.numbers import keyed_hash
from tests.oracle.totals import Answer, money, named


@dataclass(frozen=True)
class Filter:
    """Which messages of a log; None is any. Times are in ms, [from, to)."""

    direction: str | None = None
    status: str | None = None
    country: str | None = None
    error_code: int | None = None
    from_ms: int | None = None
    to_ms: int | None = None

    def wants(self, message: Message) -> bool:
        """Whether a message is of the kind that is asked for."""
        return (
            self.direction in (None, message.direction)
            and self.status in (None, message.status)
            and self.country in (None, message.country)
            and self.error_code in (None, message.error_code)
            and (self.from_ms is None or self.from_ms <= message.at_ms)
            and (self.to_ms is None or message.at_ms < self.to_ms)
        )


def log(messages: Iterable[Message], wanted: Filter, privacy_key: str) -> list[Answer]:
    """A user's messages as `GET /me/messages` lists them, newest first."""
    found = [message for message in messages if wanted.wants(message)]
    found.sort(key=lambda message: (message.at_ms, message.sid.encode()), reverse=True)
    return [logged(message, privacy_key) for message in found]


def logged(message: Message, privacy_key: str) -> Answer:
    """One message as it stands."""
    number = message.counterparty
    return {
        "message_sid": message.sid,
        "occurred_at": message.at_ms / 1000,
        "direction": message.direction,
        "message_type": message.message_type,
        "status": message.status,
        "error_code": message.error_code,
        **named(message.error_code),
        "country_code": message.country,
        "counterparty_hash": keyed_hash(number, privacy_key) if number else None,
        "mcc_mnc": message.mcc_mnc,
        "segments": message.segments,
        "encoding": message.encoding,
        "non_gsm_characters": message.non_gsm_characters,
        "num_media": message.num_media,
        "body_length": message.body_length,
        "processing_time_ms": _ms(message.processing_us),
        "latency_ms": message.latency_ms,
        **money(message.cost, "cost"),
        "carrier_fee_micros": message.carrier_fee,
        "failed_fee_micros": message.failed_fee,
        "provisional_micros": message.provisional,
        "cost_source": message.cost_source,
        "rate_origin": message.rate_origin,
    }


def _ms(us: int | None) -> float | None:
    return None if us is None else us / 1000


def detail(message: Message, privacy_key: str) -> Answer:
    """One message with everything that was said about it, the earliest first."""
    entries = sorted(message.history, key=lambda entry: entry.at_ms)
    return logged(message, privacy_key) | {
        "user_id": message.user_id,
        "timeline": [_entry(entry) for entry in entries],
    }


def _entry(entry: Entry) -> Answer:
    price = entry.price_micros
    return {
        "at": entry.at_ms / 1000,
        "status": entry.status,
        "error_code": entry.error_code,
        **named(entry.error_code),
        "price_usd": None if price is None else price / 1e6,
        "price_micros": price,
    }


def users(messages: Iterable[Message], privacy_key: str) -> list[Answer]:
    """Everybody with usage as `GET /admin/users` lists them, the most recently active first."""
    parts: dict[int, list[Message]] = {}
    for message in messages:
        if message.user_id:
            parts.setdefault(message.user_id, []).append(message)
    found = [_user(user_id, part, privacy_key) for user_id, part in parts.items()]
    found.sort(key=lambda user: user["user_id"])
    return sorted(found, key=lambda user: user["last_day"], reverse=True)


def _user(user_id: int, messages: list[Message], privacy_key: str) -> Answer:
    days = [str(datetime.fromtimestamp(m.at_ms // 1000, UTC).date()) for m in messages]
    return {
        "user_id": user_id,
        "messages": len(messages),
        **money(sum(message.cost for message in messages), "cost"),
        "first_day": min(days),
        "last_day": max(days),
        "phone_hashes": own_numbers(messages, privacy_key),
    }


def own_numbers(messages: Iterable[Message], privacy_key: str) -> list[str]:
    """The hashes of the numbers that messages came by instead of a user id."""
    numbers = {message.own_number for message in messages if message.own_number}
    return sorted(keyed_hash(number, privacy_key) for number in numbers)
