"""Messages of very many users, put into the log as fast as a broker takes them.

The simulated router makes realistic records, and a few tens of thousands a second; this makes
plain ones, for benchmarks in which the number of users and of events is what matters.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime

from confluent_kafka import Producer

from schemas.topics import USAGE

_WAITING = 400_000
_LATEST = 20_000
_ANY_AGE_RATIO = 0.01
_GOLDEN = 0x9E3779B97F4A7C15  # Fibonacci hashing: any run of numbers is spread evenly
_SHAPES = [
    ("outbound", "sms", "US", "sent"),
    ("outbound", "sms", "US", "delivered"),
    ("outbound", "sms", "DE", "sent"),
    ("inbound", "sms", "US", "received"),
    ("outbound", "mms", "US", "delivered"),
]


class Traffic:
    """Events number 0, 1, 2 … of `users` users, whose times go from `start_ms` on in equal steps.

    `skew` 1: all users send as often; 3: a tenth of the events is of a thousandth of the users.
    Each user's messages are of two kinds. A share of the events repeats an earlier message or is a
    receipt of one: most of one of the last 20,000, one in a hundred of one of any age.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        users: int,
        start_ms: int,
        step_ms: float,
        skew: float = 1.0,
        duplicates: float = 0.0,
        receipts: float = 0.0,
    ) -> None:
        self.records = self.messages = 0
        self._users, self._skew = users, skew
        self._start_ms, self._step_ms = start_ms, step_ms
        self._shares = duplicates, duplicates + receipts
        self._minutes: dict[int, str] = {}
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                "linger.ms": 20,
                "batch.num.messages": 50_000,
                "batch.size": 1_000_000,
                "queue.buffering.max.messages": 2 * _WAITING,
                "delivery.report.only.error": True,
            }
        )

    def send(self, count: int) -> None:
        """Send so many more records; returns when the broker has them."""
        seeded = random.Random(self.records)
        for _ in range(count):
            self._send(seeded)
            self.records += 1
            if self.records % 1000 == 0:
                while len(self._producer) > _WAITING:
                    self._producer.poll(0.05)
        while self._producer.flush(1):
            time.sleep(0.01)

    def _send(self, seeded: random.Random) -> None:
        draw = seeded.random()
        duplicates, receipts = self._shares
        if draw < receipts and self.messages:
            number = self.messages - 1 - self._age(seeded)
            is_receipt = draw >= duplicates
        else:
            number, is_receipt = self.messages, False
            self.messages += 1
        self._produce(number, self._receipt(number) if is_receipt else self._message(number))

    def _age(self, seeded: random.Random) -> int:
        """How many messages ago the one was that is repeated."""
        if seeded.random() < _ANY_AGE_RATIO:
            return int(self.messages * seeded.random())
        return int(min(self.messages, _LATEST) * seeded.random() ** 3)

    def _produce(self, number: int, value: str) -> None:
        self._producer.produce(USAGE, value, str(self._user(number)))

    def _user(self, number: int) -> int:
        spread = (number + 1) * _GOLDEN % 2**64 / 2**64
        return 1 + int(self._users * spread**self._skew)

    def _message(self, number: int) -> str:
        user = self._user(number)
        direction, kind, country, status = _SHAPES[(user + number % 2) % len(_SHAPES)]
        return (
            f'{{"event_id":"EV{number:032x}","message_sid":"SM{number:032x}",'
            f'"user_id":{user},"direction":"{direction}","message_type":"{kind}",'
            f'"status":"{status}","country_code":"{country}","segments":{number % 3 + 1},'
            f'"body_length":{number % 300},"processing_time_ms":{number % 1000},'
            f'"occurred_at":"{self._at(number)}"}}'
        )

    def _receipt(self, number: int) -> str:
        return (
            f'{{"type":"status","event_id":"ER{number:032x}","message_sid":"SM{number:032x}",'
            f'"user_id":{self._user(number)},"status":"delivered",'
            f'"occurred_at":"{self._at(number)}"}}'
        )

    def _at(self, number: int) -> str:
        minute, ms = divmod(int(self._start_ms + number * self._step_ms), 60_000)
        if minute not in self._minutes:
            self._minutes.clear()
            at = datetime.fromtimestamp(60 * minute, UTC)
            self._minutes[minute] = at.isoformat(timespec="minutes").removesuffix("+00:00")
        return f"{self._minutes[minute]}:{ms // 1000:02d}.{ms % 1000:03d}Z"
