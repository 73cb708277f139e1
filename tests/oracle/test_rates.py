"""The shipped card, read without the product's help."""

from __future__ import annotations

from tests.oracle.rates import shipped


def test_every_direction_and_type_has_a_fallback() -> None:
    at_ms = 1_790_000_000_000
    for direction in ("inbound", "outbound"):
        for message_type in ("sms", "mms"):
            price = shipped().price("XX", None, direction, message_type, at_ms)
            assert price.source == "fallback"
            assert price.base > 0


def test_a_carrier_of_the_card_has_its_fee() -> None:
    price = shipped().price("US", "310410", "outbound", "sms", 1_790_000_000_000)
    assert (price.carrier, price.failed_fee, price.source) == (3_500, 1_000, "rate_card")
    assert 30008 in shipped().exempt
