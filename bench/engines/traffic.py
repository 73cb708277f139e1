"""What the engines read: messages of the simulated router in one topic, and what they add up to.

Left out is what only the product knows how to read: users named by a number and countries derived
from one, duplicates, receipts and poison. Fields that may be left out are left out, and times have
the offsets that routers give them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import msgspec
import numpy as np
from confluent_kafka import Producer

from deploy.simulate import messages
from deploy.simulate.population import Population, populate
from schemas.topics import USAGE

Counters = tuple[int, ...]
"""Messages, segments, body length, processing time in µs, how many have one, delivered."""
Cells = dict[str, Counters]
"""By `user|bucket|direction|type|country`."""

DAY_MS = 86_400_000
QUARTER_S = 900
_SEED = 4
_AT_ONCE = 8192
_MAX_WAITING = 200_000


def _refuse(error: object, _: object) -> None:
    raise RuntimeError(f"an event could not be sent: {error}")


_PRODUCER = {
    "enable.idempotence": True,
    "partitioner": "murmur2_random",
    "linger.ms": 50,
    "batch.size": 1_000_000,
    "batch.num.messages": 50_000,
    "queue.buffering.max.messages": 2 * _MAX_WAITING,
    "delivery.report.only.error": True,
    "on_delivery": _refuse,
    "log_level": 0,
}


class _Event(msgspec.Struct, gc=False):
    user_id: int
    direction: str
    occurred_at: str
    message_type: str = "sms"
    status: str = ""
    segments: int = 1
    body_length: int = 0
    processing_time_ms: float | None = None
    country_code: str | None = None


class Traffic:
    """A topic that is filled step by step, and the cells of all that is in it."""

    def __init__(self, users: int, most_events: int) -> None:
        self.events = 0
        self.value_bytes = 0
        self._most = most_events
        self._population = _named(populate(_SEED, users))
        self._edges = np.cumsum(self._population.volume)
        self._edges[-1] = 1
        self._rng = np.random.default_rng(_SEED)
        self._start_ms = time.time_ns() // 1_000_000 // 900_000 * 900_000 - DAY_MS
        self._counters: dict[str, list[int]] = {}

    @property
    def cells(self) -> Cells:
        """What the events so far add up to."""
        return {cell: tuple(counters) for cell, counters in self._counters.items()}

    def fill(self, bootstrap: str, events: int) -> None:
        """Have `events` in the topic, the earlier ones included."""
        producer = Producer(_PRODUCER | {"bootstrap.servers": bootstrap})
        produce, fold = producer.produce, self.fold
        while self.events < events:
            for key, value in self.draw(min(_AT_ONCE, events - self.events)):
                produce(USAGE, value, key)
                fold(value)
            producer.poll(0)
            while len(producer) > _MAX_WAITING:
                producer.poll(0.05)
        producer.flush()

    def draw(self, count: int) -> Iterator[tuple[str, bytes]]:
        """Keys and values of the next messages in order of time: the whole topic is one day."""
        first, last = (
            self._start_ms + DAY_MS * number // self._most
            for number in (self.events, self.events + count)
        )
        self.events += count
        at_ms = np.sort(self._rng.integers(first, max(last, first + 1), count))
        users = np.searchsorted(self._edges, self._rng.random(count), side="right")
        drawn = messages.draw(self._rng, self._population, users, at_ms)
        places = zip(drawn.country, drawn.other_party, strict=True)
        batch = replace(
            drawn,
            processing=[_whole_microseconds(field) for field in drawn.processing],
            other_party=[_with_country(country, field) for country, field in places],
            quirk=[max(quirk, 0.1) for quirk in drawn.quirk],
        )
        for row in range(count):
            record = messages.message(batch, row, self._population, None)
            assert isinstance(record.value, str)
            assert record.key is not None
            yield record.key, record.value.encode()

    def fold(self, value: bytes) -> None:
        """Add a message to the expected cells."""
        event = _decode(value)
        self.value_bytes += len(value)
        second = int(datetime.fromisoformat(event.occurred_at).timestamp())
        direction = "inbound" if event.direction == "inbound" else "outbound"
        cell = (
            f"{event.user_id}|{second - second % QUARTER_S}|{direction}|{event.message_type}"
            f"|{event.country_code or 'ZZ'}"
        )
        counters = self._counters.get(cell)
        if counters is None:
            counters = self._counters[cell] = [0] * 6
        counters[0] += 1
        counters[1] += event.segments
        counters[2] += event.body_length
        if event.processing_time_ms is not None:
            counters[3] += round(event.processing_time_ms * 1000)
            counters[4] += 1
        counters[5] += event.status == "delivered"


_decode = msgspec.json.Decoder(_Event).decode


def _named(population: Population) -> Population:
    """The same users, all named by their id."""
    ids = [str(number + 1) for number in range(len(population.keys))]
    return replace(
        population,
        keys=ids,
        identities=[f'"user_id":{number}' for number in ids],
        counts_for=[int(number) for number in ids],
    )


def _whole_microseconds(field: str) -> str:
    """A processing time without the fourth decimal that some have."""
    whole, _, decimals = field.partition(".")
    return f"{whole}.{decimals[:3]}" if decimals else field


def _with_country(country: str, field: str) -> str:
    """The other party with its country, where it is known at all."""
    if country == "ZZ" or "country_code" in field:
        return field
    return f',"country_code":"{country}"{field}'
