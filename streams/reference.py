"""Reference data: the user–phone mapping and the rate card, followed from their compacted topics.

Read to the end before anything is folded, then followed by a thread. What was decided from it is
stored with each message, so it may change at any time.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from schemas.rates import ExemptCodes, Rate, bundled_card, card_of
from schemas.topics import RATE_CARD, USER_PHONES
from streams.core.message import Reference
from streams.core.pricing import RateIndex, usd_rates
from streams.numbers import NumberHash, country_of
from streams.settings import WorkerSettings

logger = logging.getLogger(__name__)

_TIMEOUT_S = 10.0


class UserPhone(msgspec.Struct):
    """Value of a `sms.user-phones.v1` record; its key is the E.164 number."""

    user_id: int


class ReferenceData:
    """The newest reference data; `current` is what decisions are made from now."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._users: dict[str, int] = {}
        self._rates: dict[str, Rate | ExemptCodes] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="reference", daemon=True)
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.bootstrap_servers,
                "group.id": f"{settings.consumer_group}-reference",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
            }
        )
        self.current = Reference(
            RateIndex(bundled_card()),
            self._users,
            frozenset(),
            usd_rates(settings.currency_rates),
            country_of,
            NumberHash(settings.privacy_key).of,
            settings.message_retention_days,
        )

    def load(self) -> None:
        """Read both topics to their present end, then go on following them in a thread."""
        ends = {}
        for topic in (USER_PHONES, RATE_CARD):
            low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, 0), _TIMEOUT_S)
            if high > low:
                ends[topic] = high
        self._consumer.assign(
            [TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in (USER_PHONES, RATE_CARD)]
        )
        while ends:
            self._take(1.0)
            positions = self._consumer.position([TopicPartition(topic, 0) for topic in ends])
            for tp in positions:
                if tp.offset >= ends[tp.topic]:
                    del ends[tp.topic]
        self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5)
        self._consumer.close()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                self._take(0.2)
            except KafkaException as error:
                logger.warning("reading reference data failed, trying again: %s", error)
                self._stopping.wait(1)

    def _take(self, timeout_s: float) -> None:
        changed = False
        for record in self._consumer.consume(10_000, timeout_s):
            if record.error() is not None:
                continue
            try:
                changed |= self._apply(record)
            except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
                logger.error("%s offset %s is left out: %s", record.topic(), record.offset(), error)
        if changed:
            card = card_of(self._rates.values()) if self._rates else bundled_card()
            self.current = msgspec.structs.replace(self.current, rates=RateIndex(card))

    def _apply(self, record: Any) -> bool:
        """Take in one record; whether the rate card changed."""
        key, value = (record.key() or b"").decode(), record.value()
        if record.topic() == USER_PHONES:
            if value is None:
                self._users.pop(key, None)
            else:
                self._users[key] = msgspec.json.decode(value, type=UserPhone).user_id
            return False
        if value is None:
            self._rates.pop(key, None)
        elif key == "exempt_error_codes":
            self._rates[key] = msgspec.json.decode(value, type=ExemptCodes)
        else:
            rate = msgspec.json.decode(value, type=Rate)
            self._rates[key] = rate
        return True
