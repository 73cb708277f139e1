"""What a message costs: which rate applies, and what its outcome makes of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest

from schemas.rates import Rate
from schemas.statuses import STATUSES
from streams.core.pricing import (
    NO_RATE,
    Cost,
    Quote,
    RateIndex,
    cost,
    instant_ms,
    provider_micros,
    usd_rates,
)
from tests.streams.samples import NOON_MS, rate, rates

_NOON = "2026-03-01T12:00:00Z"
_QUOTE = Quote(base_micros=100, carrier_micros=10, failed_micros=5, is_fallback=False)


def _quote(index: RateIndex, **changes: Any) -> Quote:
    case = {
        "country": "DE",
        "mcc_mnc": "26201",
        "direction": "outbound",
        "message_type": "sms",
        "segments": 1,
        "at_ms": NOON_MS,
        **changes,
    }
    return index.quote(**case)


_ANY = rate(id="any", base_micros=1)
_COUNTRY = rate(id="country", country="DE", base_micros=2)
_ANY_OF_CARRIER = rate(id="any-carrier", mcc_mnc="26201", base_micros=3)
_CARRIER = rate(id="carrier", country="DE", mcc_mnc="26201", base_micros=4)
_OTHERS = (
    rate(id="o1", country="FR", base_micros=1001),
    rate(id="o2", country="DE", mcc_mnc="26202", base_micros=1002),
    rate(id="o3", country="DE", direction="inbound", base_micros=1003),
    rate(id="o4", country="DE", message_type="mms", base_micros=1004),
    rate(id="o5", country="DE", mcc_mnc="26201", direction="inbound", base_micros=1005),
)


@pytest.mark.parametrize(
    ("rows", "base", "is_fallback"),
    [
        ((_ANY, _COUNTRY, _ANY_OF_CARRIER, _CARRIER), 4, False),
        ((_ANY, _COUNTRY, _ANY_OF_CARRIER), 3, False),
        ((_ANY, _COUNTRY), 2, False),
        ((_ANY,), 1, True),
        ((), 0, True),
    ],
)
def test_the_narrowest_row_applies(rows: tuple[Rate, ...], base: int, is_fallback: bool) -> None:
    for order in (rows + _OTHERS, _OTHERS + rows[::-1]):
        quote = _quote(rates(*order))
        assert (quote.base_micros, quote.is_fallback) == (base, is_fallback)


def test_without_a_carrier_no_row_of_a_carrier_applies() -> None:
    assert _quote(rates(_ANY, _COUNTRY, _CARRIER), mcc_mnc=None).base_micros == 2


def test_no_row_is_a_fallback_that_costs_nothing() -> None:
    assert _quote(rates(*_OTHERS)) == NO_RATE == Quote(0, 0, 0, True)


def test_the_latest_valid_row_applies() -> None:
    index = rates(
        rate(id="a", base_micros=1, valid_from="2026-01-01T00:00:00Z"),
        rate(id="b", base_micros=3, valid_from="2026-03-01T13:00:00.001+01:00"),
        rate(id="c", base_micros=2, valid_from=_NOON),
    )
    assert _quote(index, at_ms=NOON_MS - 1).base_micros == 1
    assert _quote(index, at_ms=NOON_MS).base_micros == 2
    assert _quote(index, at_ms=NOON_MS + 1).base_micros == 3
    assert _quote(index, at_ms=instant_ms("2025-12-31T23:59:59.999Z")) == NO_RATE


def test_a_narrow_row_that_is_not_yet_valid_leaves_the_wider_one() -> None:
    later = rate(id="carrier", country="DE", mcc_mnc="26201", valid_from="2026-03-02T00:00:00Z")
    assert _quote(rates(later, _COUNTRY)).base_micros == 2


def test_of_equals_the_smallest_id_applies() -> None:
    same_instant = rate(id="a", base_micros=1, valid_from="2026-03-01T13:00:00+01:00")
    index = rates(rate(id="b", base_micros=2, valid_from=_NOON), same_instant)
    assert _quote(index).base_micros == 1


@pytest.mark.parametrize(
    ("message_type", "segments", "expected"),
    [("sms", 1, (100, 10, 5)), ("sms", 7, (700, 70, 5)), ("mms", 7, (100, 10, 5))],
)
def test_sms_are_priced_by_segment_and_mms_by_message(
    message_type: str, segments: int, expected: tuple[int, int, int]
) -> None:
    index = rates(rate(), rate(id="m", message_type="mms"))
    quote = _quote(index, message_type=message_type, segments=segments)
    assert (quote.base_micros, quote.carrier_micros, quote.failed_micros) == expected


_BY_OUTCOME = {
    "canceled": {"card": Cost(0, 0, 0, 0), "provider": Cost(0, 0, 0, 0)},
    "failed": {"card": Cost(0, 0, 5, 0), "provider": Cost(77, 0, 5, 0)},
}
_USUAL = {"card": Cost(100, 10, 0, 110), "provider": Cost(77, 0, 0, 0)}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(("by", "price"), [("card", None), ("provider", 77)])
def test_cost_by_outcome(status: str, by: str, price: int | None) -> None:
    expected = _BY_OUTCOME.get(status, _USUAL)[by]
    assert cost(_QUOTE, status, False, price) == expected
    assert cost(_QUOTE, status, True, price) == Cost(
        expected.base_micros, expected.carrier_fee_micros, 0, expected.provisional_micros
    )


def test_a_free_provider_price_is_a_price() -> None:
    assert cost(_QUOTE, "sent", False, 0) == Cost(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("price", "usd_per_unit", "micros"),
    [
        ("0.0075", "1", 7500),
        ("-0.0075", "1", 7500),
        ("0", "1", 0),
        ("-0.000000", "1", 0),
        ("0.0000005", "1", 0),
        ("0.0000015", "1", 2),
        ("0.0000025", "1", 2),
        ("-0.0000035", "1", 4),
        ("0.000000500001", "1", 1),
        ("1000000", "1", 10**12),
        ("999999.999999999999", "1", 10**12),
        ("0.01", "1.08", 10_800),
        ("0.0000005", "3", 2),
        ("0.000001", "0.5", 0),
        ("0.000003", "0.5", 2),
    ],
)
def test_provider_prices_are_rounded_half_even(price: str, usd_per_unit: str, micros: int) -> None:
    assert provider_micros(price, Decimal(usd_per_unit)) == micros


def test_provider_prices_against_decimal_arithmetic() -> None:
    seeded = random.Random(1)
    for _ in range(2000):
        digits = seeded.randrange(13)
        text = f"{seeded.randrange(100)}.{seeded.randrange(10**digits):0{digits}d}".rstrip(".")
        exact = (Decimal(text) * 1_000_000).to_integral_value(ROUND_HALF_EVEN)
        assert provider_micros(text, Decimal(1)) == provider_micros("-" + text, Decimal(1)) == exact


def test_a_us_dollar_is_a_us_dollar() -> None:
    assert usd_rates({}) == {"USD": 1}
    assert usd_rates({"EUR": Decimal("1.08"), "USD": Decimal(2)}) == {
        "EUR": Decimal("1.08"),
        "USD": Decimal(1),
    }


def test_instants_have_milliseconds() -> None:
    seeded = random.Random(2)
    for _ in range(2000):
        ms = seeded.randrange(4_000_000_000_000)
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
        assert instant_ms(moment.isoformat(timespec="milliseconds")) == ms


def test_every_valid_from_that_the_row_type_accepts_is_an_instant() -> None:
    for text in ("2026-03-01t12:00:00z", "2026-03-01 12:00:00Z", "2026-03-01T12:00:00.1234567Z"):
        assert instant_ms(text) - NOON_MS == (123 if "." in text else 0)
