"""Pricing the past anew on the real engine, every sum against the oracle's message by message."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from schemas.rates import Card, ExemptCodes, Rate
from schemas.rows import USAGE_LOG, WRITING
from schemas.settings import Settings
from schemas.statuses import STATUSES
from streams import repricing
from streams.core.decode import Decoder
from streams.core.message import decide
from streams.core.pricing import RateIndex
from streams.repricing import Window, as_json, as_table, compare
from streams.rows import usage_block
from tests.oracle import messages as oracle
from tests.oracle import rates as oracle_rates
from tests.streams.samples import RECENT_MS, event, reference

_HOUR_MS = 3_600_000
_SPAN_H = 48
_FROM_MS, _TO_MS = RECENT_MS - _SPAN_H * _HOUR_MS, RECENT_MS


def _text(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def _card(seed: int, since_ms: int) -> Card:
    """A card of overlapping rows, in force from a moment on and changing since."""
    seeded = random.Random(seed)
    scopes = [(c, m) for c in ("US", "DE", "*") for m in (None, "310410", "26201")]
    rates = []
    for place in range(60):
        (country, carrier), late = seeded.choice(scopes), seeded.randrange(_SPAN_H)
        start = since_ms if place < 12 else since_ms + late * _HOUR_MS
        rates.append(
            Rate(
                id=f"r{place}",
                country=country if place >= 12 else "*",
                direction=seeded.choice(["inbound", "outbound"]),
                message_type=seeded.choice(["sms", "mms"]),
                base_micros=seeded.randrange(100_000),
                valid_from=_text(start),
                source="a test",
                mcc_mnc=carrier if place >= 12 else None,
                carrier_fee_micros=seeded.randrange(5_000),
                failed_fee_micros=seeded.choice([0, 1_000, 2_000]),
            )
        )
    return Card(tuple(rates), ExemptCodes("exempt_error_codes", (seeded.choice([30003, 30005]),)))


class _Sent(NamedTuple):
    """An event's own fields, for the oracle."""

    fields: dict[str, Any]
    at_ms: int


def _traffic(seed: int, count: int) -> list[_Sent]:
    seeded = random.Random(seed)
    sent = []
    for number in range(count):
        at_ms = _FROM_MS + seeded.randrange(-2 * _HOUR_MS, (_SPAN_H + 1) * _HOUR_MS)
        direction = seeded.choice(["inbound", "outbound", "outbound"])
        fields = {
            "message_sid": f"SM{number}",
            "user_id": seeded.randint(1, 5),
            "direction": direction,
            "message_type": seeded.choice(["sms", "sms", "mms"]),
            "status": seeded.choice(STATUSES) if direction == "outbound" else "received",
            "error_code": seeded.choice([None, None, 30003, 30005]),
            "segments": seeded.choice([1, 1, 2, 5]),
            "country_code": seeded.choice(["US", "DE", "FR"]),
            "mcc_mnc": seeded.choice([None, None, "310410", "26201", "20801"]),
            "price": seeded.choice([None, None, None, "-0.0123", "0", "7.5"]),
        }
        sent.append(_Sent(fields, at_ms))
    return sent


def _insert(client: Client, sent: list[_Sent], card: Card) -> None:
    """Put messages into the usage log as a worker prices them."""
    decoder = Decoder()
    values = [
        event(
            one.fields["message_sid"],
            occurred_at=_text(one.at_ms),
            **{name: value for name, value in one.fields.items() if name != "message_sid"},
        )
        for one in sent
    ]
    events, rejected = decoder.batch(values)
    assert not rejected
    shapes = decoder.shapes.table[events.shapes]
    made = decide(events, shapes, np.arange(len(values)), reference(rates=RateIndex(card)))
    block = usage_block(events.sids, made, {}, np.zeros(len(values), np.int64))
    client.raw_insert(USAGE_LOG, block.names, block.to_bytes(), fmt="Native", settings=WRITING)


def _cost(one: _Sent, card: Card, as_of_ms: int | None = None) -> tuple[int, int, int]:
    """What a message costs, as the oracle reads the contract."""
    rates = oracle_rates.card(map(msgspec.to_builtins, card.rates), card.exempt.exempt_error_codes)
    fields, at_ms = one.fields, one.at_ms if as_of_ms is None else as_of_ms
    kind = (fields["direction"], fields["message_type"])
    asked = rates.price(fields["country_code"], fields["mcc_mnc"], *kind, at_ms)
    units = fields["segments"] if fields["message_type"] == "sms" else 1
    by_card = (asked.base * units, asked.carrier * units, asked.failed_fee)
    price = fields["price"]
    charged = None if price is None else int(abs(Decimal(price)) * 1_000_000)
    is_exempt = fields["error_code"] in rates.exempt
    return oracle.cost(fields["status"], charged, by_card, is_exempt)


def _expected(sent: list[_Sent], old: Card, new: Card, window: Window) -> dict[Any, list[int]]:
    """By country, direction and type: messages, settled, then and now in three parts each."""
    sums: dict[Any, list[int]] = defaultdict(lambda: [0] * 8)
    for one in sent:
        fields = one.fields
        is_inside = window.from_ms <= one.at_ms < window.to_ms
        if is_inside and window.user_id in (None, fields["user_id"]):
            then, now = _cost(one, old), _cost(one, new, window.as_of_ms)
            row = [1, int(fields["price"] is not None), *then, *now]
            kind = (fields["country_code"], fields["direction"], fields["message_type"])
            sums[kind] = [a + b for a, b in zip(sums[kind], row, strict=True)]
    return dict(sums)


_OLD, _NEW = _card(1, _FROM_MS - 5 * _HOUR_MS), _card(2, _FROM_MS - _HOUR_MS)


@pytest.fixture
def sent(clickhouse_client: Client) -> list[_Sent]:
    """Messages of the usage log, priced by `_OLD`."""
    every = _traffic(3, 3000)
    _insert(clickhouse_client, every, _OLD)
    return every


@pytest.mark.live
@pytest.mark.parametrize(
    "window",
    [
        Window(_FROM_MS, _TO_MS),
        Window(_FROM_MS, _TO_MS, user_id=3),
        Window(_FROM_MS + 7 * _HOUR_MS + 1, _TO_MS - 11 * _HOUR_MS),
        Window(_FROM_MS, _TO_MS, as_of_ms=_TO_MS + 400 * 24 * _HOUR_MS),
        Window(_FROM_MS, _TO_MS, user_id=99),
    ],
)
def test_another_card(clickhouse_database: str, sent: list[_Sent], window: Window) -> None:
    found = compare(Settings(clickhouse_url=clickhouse_database), RateIndex(_NEW), window)
    plain = {k: [one.messages, one.settled, *one.then, *one.now] for k, one in found.items()}
    assert plain == _expected(sent, _OLD, _NEW, window)
    assert bool(plain) == (window.user_id != 99)
    if window.user_id != 99:
        # The case has what could go wrong: fees, provider's prices, differences both ways.
        sums = np.array(list(plain.values())).sum(axis=0)
        assert (sums > 0).all()
        assert {one.micros > 0 for one in found.values()} == {True, False}


@pytest.mark.live
@pytest.mark.parametrize("user_id", [None, 2])
def test_the_same_card_makes_no_difference(
    clickhouse_database: str, sent: list[_Sent], user_id: int | None
) -> None:
    window = Window(_FROM_MS - 3 * _HOUR_MS, _TO_MS + 2 * _HOUR_MS, user_id)
    found = compare(Settings(clickhouse_url=clickhouse_database), RateIndex(_OLD), window)
    assert sum(one.messages for one in found.values()) == sum(
        user_id in (None, one.fields["user_id"]) for one in sent
    )
    assert found
    for one in found.values():
        assert one.then == one.now


@pytest.mark.live
def test_a_window_before_the_card(clickhouse_database: str) -> None:
    settings = Settings(clickhouse_url=clickhouse_database)
    with pytest.raises(ValueError, match=r"valid from 20.*Z, later .* `--as-of 20.*Z` prices them"):
        compare(settings, RateIndex(_NEW), Window(_FROM_MS - 2 * _HOUR_MS, _TO_MS))


def test_as_texts() -> None:
    found = {
        ("DE", "outbound", "sms"): repricing.Difference(3, 1, [10, 0, 0], [7, 1, 0]),
        ("US", "inbound", "mms"): repricing.Difference(2, 0, [1_000_000, 0, 5], [2_000_000, 0, 6]),
    }
    body = json.loads(as_json(found, {"card": "new.toml"}))
    assert (body["card"], body["messages"], body["settled_messages"]) == ("new.toml", 5, 1)
    assert body["difference_micros"] == 999_999
    assert body["rows"][0] == {
        "country": "US",
        "direction": "inbound",
        "message_type": "mms",
        "messages": 2,
        "settled_messages": 0,
        "then": {
            "total_micros": 1_000_005,
            "base_micros": 1_000_000,
            "carrier_fee_micros": 0,
            "failed_fee_micros": 5,
        },
        "now": {
            "total_micros": 2_000_006,
            "base_micros": 2_000_000,
            "carrier_fee_micros": 0,
            "failed_fee_micros": 6,
        },
        "difference_micros": 1_000_001,
    }
    lines = list(as_table(found))
    assert [" ".join(line.split()) for line in lines[1:4]] == [
        "US inbound mms 2 0 1.000005 2.000006 +1.000001",
        "DE outbound sms 3 1 0.000010 0.000008 -0.000002",
        "total 5 1 1.000015 2.000014 +0.999999",
    ]
    assert lines[4].startswith("1 of 5 messages have the provider's price, which stays")
