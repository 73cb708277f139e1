"""What a message costs: which rate applies, and what its outcome makes of it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.rates import Card, ExemptCodes, Rate
from schemas.rows import DIRECTIONS, MESSAGE_TYPES
from schemas.statuses import STATUSES
from streams.core.pricing import (
    NO_RATE,
    Quote,
    RateIndex,
    costs,
    distinct,
    instant_ms,
    provider_micros,
    usd_rates,
)
from streams.core.shapes import country_number
from tests.oracle import rates as oracle_rates
from tests.streams.samples import NOON_MS, rate, rates

_NOON = "2026-03-01T12:00:00Z"


def _quote(index: RateIndex, **changes: Any) -> Quote:
    """The quote of one message, which is the same among others."""
    case: dict[str, Any] = {
        "country": "DE",
        "mcc_mnc": "26201",
        "direction": "outbound",
        "message_type": "sms",
        "segments": 1,
        "at_ms": NOON_MS,
        **changes,
    }
    quote = index.quote(**case)
    assert _quotes(index, [case]) == [quote]
    assert _quotes(index, [{**case, "country": "XX"}, case, case])[1:] == [quote, quote]
    return quote


def _quotes(index: RateIndex, cases: Sequence[Mapping[str, Any]]) -> list[Quote]:
    """The quotes of messages, all asked for at once."""

    def column(name: str, kind: str, codes: Mapping[str, int] | None = None) -> Any:
        values = [case[name] for case in cases]
        return np.array([codes[value] for value in values] if codes else values, kind)

    amounts, is_fallback, origins = index.quotes(
        np.array([country_number(case["country"]) for case in cases], np.int16),
        np.array([(case["mcc_mnc"] or "").encode() for case in cases], "S6"),
        column("direction", "i1", DIRECTIONS),
        column("message_type", "i1", MESSAGE_TYPES),
        column("segments", "u1"),
        column("at_ms", "i8"),
    )
    rows = zip(amounts.tolist(), is_fallback.tolist(), origins.tolist(), strict=True)
    return [Quote(*amount, is_any, origin) for amount, is_any, origin in rows]


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


def test_before_a_card_is_in_force_another_one_is() -> None:
    before = rates(
        rate(id="old", base_micros=1),
        rate(id="older", country="DE", base_micros=2, valid_from="2026-03-01T11:00:00Z"),
        rate(id="too late", country="DE", base_micros=9, valid_from="2026-03-02T00:00:00Z"),
    )
    card = Card((rate(base_micros=3, valid_from=_NOON),), ExemptCodes("exempt_error_codes", ()))
    index = RateIndex(card, before)
    assert _quote(index, at_ms=NOON_MS - 3_600_001).base_micros == 1
    assert _quote(index, at_ms=NOON_MS - 1).base_micros == 2
    assert _quote(index, at_ms=NOON_MS).base_micros == 3
    # The narrower row of the other card is not in force any more.
    assert _quote(index, at_ms=NOON_MS + 2 * 86_400_000).base_micros == 3
    cases = [
        {"country": "DE", "mcc_mnc": None, "direction": "outbound", "message_type": "sms",
         "segments": 2, "at_ms": NOON_MS + ago}
        for ago in (-(10**12), -3_600_001, -3_600_000, -1, 0, 1, 10**12)
    ]  # fmt: skip
    assert _quotes(index, cases) == [index.quote(**case) for case in cases]
    assert [quote.base_micros for quote in _quotes(index, cases)] == [0, 2, 4, 4, 6, 6, 6]


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


@pytest.mark.parametrize("seed", range(3))
def test_quotes_of_many_are_the_quotes_of_each(seed: int) -> None:
    seeded = random.Random(seed)
    starts = [seeded.randrange(20) * 1000 for _ in range(5)]
    places = [("DE", None), ("DE", "26201"), ("FR", None), ("*", "26201"), ("*", None)]
    rows = [
        rate(
            id=f"r{number}",
            country=country,
            mcc_mnc=carrier,
            direction=seeded.choice(list(DIRECTIONS)),
            message_type=seeded.choice(list(MESSAGE_TYPES)),
            base_micros=seeded.randrange(10**6),
            carrier_fee_micros=seeded.randrange(10**4),
            failed_fee_micros=seeded.randrange(10**4),
            valid_from=f"1970-01-01T00:00:{seeded.choice(starts) // 1000:02d}Z",
        )
        for number, (country, carrier) in enumerate(seeded.choices(places, k=40))
    ]
    cases: list[dict[str, Any]] = [
        {
            "country": seeded.choice(["AA", "DD", "DE", "DF", "FR", "ZZ"]),
            "mcc_mnc": seeded.choice([None, None, "26201", "262011", "26202"]),
            "direction": seeded.choice(list(DIRECTIONS)),
            "message_type": seeded.choice(list(MESSAGE_TYPES)),
            "segments": seeded.choice([1, 2, 99, 100]),
            "at_ms": seeded.choice(starts) + seeded.choice([-1, 0, 1, 10**12, -(10**12)]),
        }
        for _ in range(3000)
    ]
    index, other = rates(*rows), rates(*rows)
    assert _quotes(index, cases) == [other.quote(**case) for case in cases]
    assert len({(q.base_micros, q.is_fallback) for q in _quotes(index, cases)}) > 50


@pytest.mark.parametrize("seed", range(3))
def test_overlapping_cards_against_the_oracle(seed: int) -> None:
    """Rows of equal scope, equal times, two cards one after the other: as the oracle reads them."""
    seeded = random.Random(seed)

    def drawn(number: int, since: int) -> Rate:
        country, carrier = seeded.choice(
            [("DE", None), ("DE", "26201"), ("*", "26201"), ("*", None)]
        )
        return rate(
            id=f"r{number:02d}",
            country=country,
            mcc_mnc=carrier,
            message_type=seeded.choice(list(MESSAGE_TYPES)),
            base_micros=seeded.randrange(10**6),
            valid_from=f"2026-03-01T12:00:{since + seeded.randrange(6):02d}Z",
        )

    old, new = ([drawn(n, since) for n in range(30)] for since in (0, 20))
    exempt = ExemptCodes("exempt_error_codes", ())
    index = RateIndex(Card(tuple(new), exempt), RateIndex(Card(tuple(old), exempt)))
    oracle = oracle_rates.card(map(msgspec.to_builtins, new), ())
    oracle.before = oracle_rates.card(map(msgspec.to_builtins, old), ())
    cases: list[dict[str, Any]] = [
        {
            "country": seeded.choice(["DE", "FR"]),
            "mcc_mnc": seeded.choice([None, "26201", "26202"]),
            "direction": "outbound",
            "message_type": seeded.choice(list(MESSAGE_TYPES)),
            "segments": 1,
            "at_ms": NOON_MS + seeded.randrange(30) * 1000 + seeded.choice([-1, 0, 1]),
        }
        for _ in range(2000)
    ]
    sources = set()
    for case, quote in zip(cases, _quotes(index, cases), strict=True):
        asked = {name: value for name, value in case.items() if name != "segments"}
        priced = oracle.price(**asked)
        assert quote.base_micros == priced.base
        assert quote.is_fallback == (priced.source == "fallback")
        sources.add(priced)
    assert len(sources) > 15


def test_quotes_of_none() -> None:
    assert _quotes(rates(_ANY), []) == []


def test_distinct_columns() -> None:
    first, of_each = distinct(np.array([[5, 3, 5, 5, 3], [1, 1, 0, 1, 1]]))
    assert first.tolist() == [0, 1, 2]
    assert of_each.tolist() == [0, 1, 2, 0, 1]
    first, of_each = distinct(np.zeros((2, 0), np.int64))
    assert (first.tolist(), of_each.tolist()) == ([], [])


_CARD = (100, 10, 5)
_BY_OUTCOME = {
    "canceled": {"card": (0, 0, 0), "provider": (0, 0, 0)},
    "failed": {"card": (0, 0, 5), "provider": (77, 0, 5)},
}
_USUAL = {"card": (100, 10, 0), "provider": (77, 0, 0)}


def _costs(*cases: tuple[str, bool, int | None]) -> list[tuple[int, ...]]:
    """Base, carrier and failed fee by status, exemption and the provider's price."""
    columns = costs(
        np.array([_CARD] * len(cases), np.int64).reshape(-1, 3),
        np.array([status == "failed" for status, _, _ in cases], np.bool_),
        np.array([status == "canceled" for status, _, _ in cases], np.bool_),
        np.array([is_exempt for _, is_exempt, _ in cases], np.bool_),
        np.array([-1 if price is None else price for _, _, price in cases], np.int64),
    )
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(("by", "price"), [("card", None), ("provider", 77)])
def test_cost_by_outcome(status: str, by: str, price: int | None) -> None:
    expected = _BY_OUTCOME.get(status, _USUAL)[by]
    assert _costs((status, False, price)) == [expected]
    assert _costs((status, True, price)) == [(*expected[:2], 0)]


def test_costs_of_many_are_the_costs_of_each() -> None:
    cases = [(s, e, price) for s in STATUSES for e in (False, True) for price in (None, 0, 77)]
    random.Random(1).shuffle(cases)
    assert _costs(*cases) == [cost for case in cases for cost in _costs(case)]
    assert _costs() == []


def test_a_free_provider_price_is_a_price() -> None:
    assert _costs(("sent", False, 0)) == [(0, 0, 0)]


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
