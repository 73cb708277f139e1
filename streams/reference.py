"""Reference data: user–phone mapping, rate card, consents and erasures, from compacted topics.

Read to the end before anything is folded, then followed by a thread. What was decided from it is
stored with each message, so it may change at any time.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import Any

import msgspec
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import OffsetSpec

from schemas.phones import UserPhone
from schemas.privacy import Consent, Erasure
from schemas.rates import Card, ExemptCodes, Rate, bundled_card, card_of, origin_of
from schemas.rows import RATE_ORIGINS
from schemas.topics import PRIVACY, RATE_CARD, USER_PHONES
from streams.core.message import Reference
from streams.core.pricing import RateIndex, usd_rates
from streams.metrics import RATES
from streams.numbers import NumberHash, country_of
from streams.offsets import Offsets
from streams.settings import WorkerSettings

logger = logging.getLogger(__name__)

_TOPICS = (USER_PHONES, RATE_CARD, PRIVACY)
_TIMEOUT_S = 10.0


class ReferenceData:
    """The newest reference data; `current` is what decisions are made from now.

    `erasures` has the newest request for erasure of each user; a new one makes it a new dictionary.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._users: dict[str, int] = {}
        self._rates: dict[str, Rate | ExemptCodes] = {}
        self._withdrawn: dict[str, int] = {}
        self.erasures: dict[int, Erasure] = {}
        self._log = Offsets(settings.bootstrap_servers)
        self._positions = dict.fromkeys(_TOPICS, 0)
        self._moved = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="reference", daemon=True)
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.bootstrap_servers,
                "group.id": f"{settings.consumer_group}-reference",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
                # The end of a compacted topic need not hold a record.
                "enable.partition.eof": True,
            }
        )
        self._bundled = RateIndex(bundled_card())
        _note_origins(bundled_card())
        self.current = Reference(
            self._bundled,
            self._users,
            frozenset(),
            usd_rates(settings.currency_rates),
            country_of,
            NumberHash(settings.privacy_key).of,
            settings.message_retention_days,
        )

    def load(self) -> None:
        """Read the topics to their present end, then go on following them in a thread."""
        self._consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in _TOPICS])
        self._thread.start()
        self.catch_up()

    def catch_up(self) -> None:
        """Wait until everything that the topics hold now is taken in, however long it takes.

        Called when a number has no user: its mapping may have been sent just before its message.
        """
        while not self._has_caught_up() and not self._stopping.is_set():
            logger.warning("the reference data is not read to its end yet")

    def _has_caught_up(self) -> bool:
        asked = {TopicPartition(topic, 0): OffsetSpec.latest() for topic in _TOPICS}
        try:
            ends = {tp.topic: offset for tp, offset in self._log.of(asked).items()}
        except KafkaException as error:
            logger.warning("the end of the reference data is not known: %s", error.args[0].str())
            self._stopping.wait(1)
            return False
        with self._moved:
            return self._moved.wait_for(
                lambda: all(self._positions[topic] >= end for topic, end in ends.items()),
                _TIMEOUT_S,
            )

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
        first = self._consumer.poll(timeout_s)
        if first is None:
            return
        changed, moved, withdrawn = False, {}, dict(self._withdrawn)
        for record in (first, *self._consumer.consume(10_000, 0)):
            error = record.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                continue
            position = record.offset()
            if error is None:
                changed |= self._try(record)
                position += 1
            moved[record.topic()] = position
        if changed:
            self.current = msgspec.structs.replace(self.current, rates=self._index())
        if self._withdrawn != withdrawn:
            ids = frozenset(self._withdrawn.values())
            self.current = msgspec.structs.replace(self.current, withdrawn=ids)
        with self._moved:
            self._positions.update(moved)
            self._moved.notify_all()

    def _index(self) -> RateIndex:
        """The card of the topic, and before its first rate is valid the bundled one."""
        if not self._rates:
            _note_origins(bundled_card())
            return self._bundled
        card = card_of(self._rates.values())
        _note_origins(card)
        return RateIndex(card, self._bundled)

    def _try(self, record: Any) -> bool:
        try:
            return self._apply(record)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            logger.error("%s offset %s is left out: %s", record.topic(), record.offset(), error)
            return False

    def _apply(self, record: Any) -> bool:
        """Take in one record; whether the rate card changed."""
        key, value = (record.key() or b"").decode(), record.value()
        if record.topic() == USER_PHONES:
            if value is None:
                self._users.pop(key, None)
            else:
                self._users[key] = msgspec.json.decode(value, type=UserPhone).user_id
            return False
        if record.topic() == PRIVACY:
            self._privacy(key, value)
            return False
        if value is None:
            self._rates.pop(key, None)
        elif key == "exempt_error_codes":
            self._rates[key] = msgspec.json.decode(value, type=ExemptCodes)
        else:
            rate = msgspec.json.decode(value, type=Rate)
            self._rates[key] = rate
        return True

    def _privacy(self, key: str, value: bytes | None) -> None:
        """Take in a consent, without which a user has consented, or a request for erasure."""
        if key.endswith(":erasure") and value is not None:
            erasure = msgspec.json.decode(value, type=Erasure)
            self.erasures = {**self.erasures, erasure.user_id: erasure}
        if not key.endswith(":consent"):
            return
        self._withdrawn.pop(key, None)
        if value is not None:
            consent = msgspec.json.decode(value, type=Consent)
            if not consent.analytics:
                self._withdrawn[key] = consent.user_id


def _note_origins(card: Card) -> None:
    found = Counter(origin_of(rate) for rate in card.rates)
    for name, code in RATE_ORIGINS.items():
        RATES.labels(name).set(found[code])
