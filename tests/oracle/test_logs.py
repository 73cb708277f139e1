"""Logs, timelines, users and files of a few messages, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle import files, logs
from tests.oracle.events import Entry
from tests.oracle.test_answers import message

KEY = "key"


@pytest.mark.parametrize(
    ("wanted", "is_wanted"),
    [
        ({}, True),
        ({"direction": "inbound"}, False),
        ({"status": "delivered", "country": "US"}, True),
        ({"country": "DE"}, False),
        ({"error_code": 1}, False),
        ({"from_ms": 5_000}, True),
        ({"from_ms": 5_001}, False),
        ({"to_ms": 5_000}, False),
        ({"to_ms": 5_001}, True),
    ],
)
def test_filters(wanted: dict[str, Any], is_wanted: bool) -> None:
    found = logs.log([message(at_ms=5_000)], logs.Filter(**wanted), KEY)
    assert bool(found) is is_wanted


def test_equal_times_are_ordered_by_sid() -> None:
    found = logs.log([message(sid=sid) for sid in ("b", "a", "c")], logs.Filter(), KEY)
    assert [entry["message_sid"] for entry in found] == ["c", "b", "a"]


def test_a_timeline_is_in_order_of_time() -> None:
    history = (Entry("sent", None, None, 9), Entry("failed", 30005, 1_000, 8))
    first, second = logs.detail(message(history=history), KEY)["timeline"]
    assert (first["at"], first["price_usd"], first["error_class"]) == (0.008, 0.001, "bad_number")
    assert (second["at"], second["price_usd"], second["error_class"]) == (0.009, None, None)


def test_users_most_recently_active_first() -> None:
    day_ms = 86_400_000
    found = logs.users(
        [message(at_ms=0), message(user_id=3, at_ms=day_ms), message(user_id=2, at_ms=day_ms),
         message(at_ms=1, own_number="+4915112345678"), message(user_id=0)],
        KEY,
    )  # fmt: skip
    assert [user["user_id"] for user in found] == [2, 3, 1]
    assert found[2]["messages"] == 2
    assert (found[2]["first_day"], found[2]["last_day"]) == ("1970-01-01", "1970-01-01")
    assert len(found[2]["phone_hashes"]) == 1
    assert found[0]["phone_hashes"] == []


def test_charges() -> None:
    messages = [
        message(at_ms=0, base=8_000, carrier_fee=2_000, segments=2, provisional=10_000),
        message(at_ms=1, status="failed", base=0, failed_fee=1_000),
        message(at_ms=2, message_type="mms", base=22_000, user_id=0),
    ]
    rows = files.cost_rows(messages, "account", "provider")
    assert [(r["SubAccountId"], r["ChargeDescription"], r["BilledCost"]) for r in rows] == [
        ("0", "MMS outbound US, base", 0.022),
        ("1", "SMS outbound US, base", 0.008),
        ("1", "SMS outbound US, carrier fee", 0.002),
        ("1", "SMS outbound US, failed message fee", 0.001),
    ]
    assert [row["ConsumedQuantity"] for row in rows] == [1, 3, 3, 1]
    assert [row["x_ProvisionalCost"] for row in rows] == [0, 0.01, 0, 0]
    assert rows[0]["BillingPeriodEnd"] == "1970-02-01T00:00:00Z"
