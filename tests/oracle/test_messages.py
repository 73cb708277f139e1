"""Outcomes and costs of small ledgers, worked out by hand."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest

from tests.oracle.ledger import Sent
from tests.oracle.messages import Message, cost, fold
from tests.oracle.rates import card

_ROW = {"direction": "outbound", "message_type": "sms", "valid_from": "2024-01-01T00:00:00Z"}
RATES = card(
    [
        _ROW | {"id": "any", "country": "*", "base_micros": 75_000, "failed_fee_micros": 900},
        _ROW | {"id": "us", "country": "US", "base_micros": 8_300, "failed_fee_micros": 1_000},
        _ROW
        | {
            "id": "us2",
            "country": "US",
            "base_micros": 9_000,
            "valid_from": "2026-06-01T00:00:00Z",
        },
        _ROW
        | {
            "id": "att",
            "country": "US",
            "mcc_mnc": "310410",
            "base_micros": 8_300,
            "carrier_fee_micros": 3_500,
            "failed_fee_micros": 1_000,
        },
        _ROW | {"id": "mms", "country": "*", "message_type": "mms", "base_micros": 22_000},
    ],
    exempt=[30008],
)
EARLY, LATE = "2026-05-31T23:59:59.999Z", "2026-06-01T00:00:00Z"


def sent(kind: str = "message", country: str = "US", **fields: Any) -> Sent:
    plain = {"message_sid": "SM1", "occurred_at": EARLY}
    if kind != "status":
        plain["direction"] = "outbound"
    value = json.dumps(plain | fields | ({"type": "status"} if kind == "status" else {}))
    return Sent(b"1", value.encode(), kind, 1, country, None)


def only(*ledger: Sent) -> Message:
    (message,) = fold(ledger, RATES)
    return message


@pytest.mark.parametrize(
    ("record", "costs", "source"),
    [
        (sent(), (8_300, 0, 0), "rate_card"),
        (sent(segments=3), (24_900, 0, 0), "rate_card"),
        (sent(segments=2, mcc_mnc="310410"), (16_600, 7_000, 0), "rate_card"),
        (sent(segments=2, mcc_mnc="999999"), (16_600, 0, 0), "rate_card"),
        (sent(occurred_at=LATE), (9_000, 0, 0), "rate_card"),
        (sent(occurred_at=LATE, mcc_mnc="310410"), (8_300, 3_500, 0), "rate_card"),
        (sent(country="PT"), (75_000, 0, 0), "fallback"),
        (sent(country="PT", mcc_mnc="310410"), (75_000, 0, 0), "fallback"),
        (sent(message_type="mms", segments=4), (22_000, 0, 0), "fallback"),
        (sent(direction="inbound"), (0, 0, 0), "fallback"),
        (sent(occurred_at="2023-12-31T00:00:00Z"), (0, 0, 0), "fallback"),
        (sent(price="-0.0123", mcc_mnc="310410"), (12_300, 0, 0), "provider"),
        (sent(status="failed"), (0, 0, 1_000), "rate_card"),
        (sent(status="failed", segments=5, mcc_mnc="310410"), (0, 0, 1_000), "rate_card"),
        (sent(status="failed", error_code=30008), (0, 0, 0), "rate_card"),
        (sent(status="undelivered", error_code=30003), (8_300, 0, 0), "rate_card"),
        (sent(status="canceled", price="-1"), (0, 0, 0), "provider"),
    ],
)
def test_costs(record: Sent, costs: tuple[int, int, int], source: str) -> None:
    message = only(record)
    assert (message.base, message.carrier_fee, message.failed_fee) == costs
    assert message.cost == sum(costs)
    assert message.cost_source == source
    assert message.provisional == (0 if source == "provider" else costs[0] + costs[1])


def test_prices_in_other_money() -> None:
    record = sent(price="-0.1", price_unit="GBP")
    (message,) = fold([record], RATES, usd_per_unit={"USD": "1", "GBP": "1.25"})
    assert message.cost == 125_000


def test_consent_counts_from_where_it_stands() -> None:
    no, yes = (
        Sent(b"1:consent", json.dumps({"analytics": is_so}).encode(), "consent", 1, "ZZ", None)
        for is_so in (False, True)
    )
    text = {"counterparty": "+4915112345678"}
    ledger = [
        *(sent(message_sid="a", **text), no, sent(message_sid="b", **text), yes),
        sent(message_sid="c", **text),
    ]
    # Said again, or told about later, a message stays whose it was.
    ledger = [*ledger, no, sent(message_sid="c")]
    found = fold(ledger, RATES)
    assert [message.user_id for message in found] == [1, 0, 1]
    # Nothing leads back to whom it was about.
    assert [message.counterparty is None for message in found] == [False, True, False]


def test_the_fee_stays_beside_a_providers_price() -> None:
    assert cost("failed", 0, (8_300, 3_500, 1_000), is_exempt=False) == (0, 0, 1_000)


def test_equal_rates_are_decided_by_id() -> None:
    rows = [
        _ROW | {"id": name, "country": "US", "base_micros": at} for at, name in enumerate("cab")
    ]
    assert card(rows, []).price("US", None, "outbound", "sms", 1_790_000_000_000).base == 1


def test_the_first_event_of_a_sid_wins_and_is_counted_once() -> None:
    message = only(sent(segments=2), sent("duplicate", segments=2), sent(segments=9))
    assert message.segments == 2


def test_poison_and_mappings_are_no_messages() -> None:
    broken = Sent(b"1", b"{", "poison", 0, "ZZ", "invalid_json")
    nothing = Sent(b"1", None, "poison", 0, "ZZ", "invalid_json")
    mapping = Sent(b"+4915", b'{"user_id": 7}', "mapping", 7, "ZZ", None)
    assert fold([mapping, broken, nothing], RATES) == []


def test_status_is_the_highest_in_any_order() -> None:
    records = [
        sent(status="queued"),
        sent("status", status="sent"),
        sent("status", status="undelivered", error_code=30003),
        sent("status", status="delivered"),
    ]
    outcomes = {(m.status, m.error_code) for p in permutations(records) for m in fold(p, RATES)}
    assert outcomes == {("delivered", None)}
    assert only(*records[:3]).error_code == 30003


def test_price_is_the_one_stated_last_whenever_it_arrives() -> None:
    at = ["2026-05-31T10:00:00Z", "2026-05-31T12:00:00Z", "2026-05-31T11:00:00Z"]
    receipts = [
        sent("status", status="delivered", price=f"-0.0{n}", occurred_at=at[n]) for n in range(3)
    ]
    bases = {m.base for p in permutations([sent(), *receipts]) for m in fold(p, RATES)}
    assert bases == {10_000}


def test_of_prices_at_one_moment_the_last_sent_counts() -> None:
    same = [sent("status", status="delivered", price=price) for price in ("-0.01", "-0.02")]
    assert only(sent(), *same).base == 20_000


def test_receipts_may_be_left_out_and_need_a_message() -> None:
    receipt = sent("status", status="delivered")
    assert fold([receipt], RATES) == []
    (message,) = fold([sent(), receipt], RATES, with_receipts=False)
    assert message.status == "sent"
