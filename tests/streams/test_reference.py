"""Reference data as the compacted topics have it: the newest word on each key counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from schemas.privacy import Consent, consent_key, erasure_key
from schemas.rates import ExemptCodes, Rate, bundled_card
from schemas.rows import RATE_ORIGINS
from schemas.topics import PRIVACY, RATE_CARD, USER_PHONES
from streams.core.pricing import Quote, RateIndex
from streams.reference import ReferenceData
from streams.settings import WorkerSettings
from tests.streams.records import send
from tests.streams.samples import NOON_MS, rate

pytestmark = pytest.mark.live


@pytest.fixture
def loaded(broker: str) -> Iterator[Callable[[], ReferenceData]]:
    """Loads reference data as a worker does at its start."""
    every: list[ReferenceData] = []

    def load() -> ReferenceData:
        every.append(ReferenceData(WorkerSettings(kafka_url=f"kafka://{broker}")))
        every[-1].load()
        return every[-1]

    yield load
    for each in every:
        each.close()


def _phones(broker: str, *records: tuple[str, bytes | None]) -> None:
    send(broker, [(key.encode(), value) for key, value in records], USER_PHONES)


def _card(broker: str, *records: Rate | ExemptCodes | tuple[str, bytes | None]) -> None:
    send(
        broker,
        [
            (record[0].encode(), record[1])
            if isinstance(record, tuple)
            else (record.id.encode(), msgspec.json.encode(record))
            for record in records
        ],
        RATE_CARD,
    )


def _quote(rates: RateIndex, country: str = "DE") -> Quote:
    return rates.quote(country, None, "outbound", "sms", 1, NOON_MS)


_BUNDLED = _quote(RateIndex(bundled_card()), "US")


def test_without_records_the_card_is_the_bundled_one(loaded: Callable[[], ReferenceData]) -> None:
    known = loaded().current
    assert known.users == {}
    assert _quote(known.rates, "US") == _BUNDLED
    assert known.rates.exempt == frozenset(bundled_card().exempt.exempt_error_codes)


def test_the_newest_mapping_of_a_number(broker: str, loaded: Callable[[], ReferenceData]) -> None:
    _phones(
        broker,
        ("+491", b'{"user_id": 1}'),
        ("+492", b'{"user_id": 2}'),
        ("+491", b'{"user_id": 3, "later_field": true}'),
        ("+492", None),
        ("+493", None),
    )
    assert loaded().current.users == {"+491": 3}


def test_rows_of_the_topic_replace_the_bundled_card(
    broker: str, loaded: Callable[[], ReferenceData]
) -> None:
    _card(broker, rate(base_micros=1), rate(base_micros=2), ExemptCodes("exempt_error_codes", (9,)))
    known = loaded().current
    assert _quote(known.rates, "US") == Quote(2, 10, 5, True, RATE_ORIGINS["loaded"])
    assert known.rates.exempt == {9}
    sample = REGISTRY.get_sample_value
    assert [sample("sms_worker_rates", {"origin": name}) for name in ("bundled", "loaded")] == [
        0,
        1,
    ]


def test_a_card_whose_rows_are_all_gone_is_the_bundled_one(
    broker: str, loaded: Callable[[], ReferenceData]
) -> None:
    _card(broker, rate(), ("any", None))
    assert _quote(loaded().current.rates, "US") == _BUNDLED


def test_until_a_loaded_card_is_valid_the_bundled_one_is_in_force(
    broker: str, loaded: Callable[[], ReferenceData]
) -> None:
    _card(broker, rate(base_micros=7, valid_from="2026-03-01T12:00:00.001Z"))
    known = loaded().current.rates
    assert _quote(known, "US") == _BUNDLED
    assert known.quote("US", None, "outbound", "sms", 1, NOON_MS + 1).base_micros == 7


_ROW = msgspec.json.encode(rate())
_BROKEN_PHONES = [
    (b"+499", b"{"),
    (b"+499", b""),
    (b"+499", b'{"user_id": 0}'),
    (b"+499", b'{"user_id": -1}'),
    (b"+499", b'{"user_id": 9007199254740992}'),
    (b"+499", b'{"user_id": "5"}'),
    (b"+499", b'{"user": 5}'),
    (b"\xff", b'{"user_id": 5}'),
]
_BROKEN_RATES = [
    (b"bad", b"[]"),
    (b"bad", b'{"id": "bad"}'),
    (b"bad", _ROW.replace(b"USD", b"EUR")),
    (b"bad", _ROW.replace(b'"any"', b"5")),
    (b"exempt_error_codes", b'{"id": "exempt_error_codes"}'),
    (b"exempt_error_codes", _ROW),
]


def test_broken_records_are_left_out(broker: str, loaded: Callable[[], ReferenceData]) -> None:
    _phones(broker, ("+491", b'{"user_id": 1}'))
    _card(broker, rate(id="good", country="DE", base_micros=7))
    send(broker, _BROKEN_PHONES, USER_PHONES)
    send(broker, _BROKEN_RATES, RATE_CARD)
    _phones(broker, ("+492", b'{"user_id": 2}'))
    _card(broker, rate(id="good too", base_micros=8))
    known = loaded().current
    assert known.users == {"+491": 1, "+492": 2}
    assert _quote(known.rates).base_micros == 7
    assert _quote(known.rates, "FR").base_micros == 8
    assert known.rates.exempt == frozenset()


def test_a_rate_of_a_day_that_does_not_exist_is_left_out(
    broker: str, loaded: Callable[[], ReferenceData]
) -> None:
    bad = rate(id="bad")
    msgspec.structs.force_setattr(bad, "valid_from", "2026-02-30T00:00:00Z")
    _card(broker, rate(), bad)
    assert _quote(loaded().current.rates).base_micros == 100


def test_catching_up_takes_in_what_was_sent_before(
    broker: str, loaded: Callable[[], ReferenceData]
) -> None:
    known = loaded()
    for user in range(1, 6):
        _phones(broker, ("+491", b'{"user_id": %d}' % user))
        known.catch_up()
        assert known.current.users == {"+491": user}


def test_changes_are_followed(broker: str, loaded: Callable[[], ReferenceData]) -> None:
    known = loaded()
    before = known.current
    _phones(broker, ("+491", b'{"user_id": 1}'))
    _card(broker, rate(base_micros=7))
    _until(lambda: known.current.users == {"+491": 1})
    _until(lambda: _quote(known.current.rates).base_micros == 7)
    # A chunk under way goes on with the card that it began with.
    assert _quote(before.rates, "US") == _BUNDLED


def test_thousands_of_mappings(broker: str, loaded: Callable[[], ReferenceData]) -> None:
    _phones(broker, *((f"+49{n}", b'{"user_id": %d}' % (n + 1)) for n in range(30_000)))
    assert loaded().current.users == {f"+49{n}": n + 1 for n in range(30_000)}


def _until(is_so: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _consent(user_id: int, *, analytics: bool) -> tuple[bytes, bytes]:
    record = Consent(user_id, analytics, "2026-03-01T12:00:00Z", user_id)
    return consent_key(user_id).encode(), msgspec.json.encode(record)


def test_consents(broker: str, loaded: Callable[[], ReferenceData]) -> None:
    withdrawn, granted = _consent(7, analytics=False), _consent(7, analytics=True)
    others = [_consent(8, analytics=False), (erasure_key(9).encode(), b"{}"), (b"1:consent", b"?")]
    send(broker, [withdrawn, *others, _consent(10, analytics=False)], PRIVACY)
    data = loaded()
    assert data.current.withdrawn == {7, 8, 10}
    send(broker, [granted, (consent_key(10).encode(), None)], PRIVACY)
    data.catch_up()
    assert data.current.withdrawn == {8}
