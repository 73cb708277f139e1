"""A provider's price list as rates: which price counts, what stays of the card, what changed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from schemas.rates import Card, ExemptCodes, Rate, bundled_card
from streams.core.price_list import CountryPrices, Scope, changed, micros_of, rates_of
from streams.core.pricing import RateIndex, instant_ms
from tests.oracle.rates import card as oracle_card
from tests.streams.fake_twilio import country
from tests.streams.samples import rate

_USD = {"USD": Decimal(1), "EUR": Decimal("1.08")}
_TYPES = ("local", "mobile", "toll free")
_NOW = "2026-03-01T12:00:00Z"


def _listed(**fields: Any) -> CountryPrices:
    return msgspec.convert(
        {
            "iso_country": "DE",
            "price_unit": "USD",
            "outbound_sms_prices": [],
            "inbound_sms_prices": [],
            **fields,
        },
        CountryPrices,
    )


def _micros(**fields: Any) -> dict[Scope, int]:
    return micros_of(_listed(**fields), _TYPES, _USD)


def _inbound(prices: Mapping[str | None, str]) -> dict[Scope, int]:
    listed = [{"number_type": name, "current_price": price} for name, price in prices.items()]
    return _micros(inbound_sms_prices=listed)


@pytest.mark.parametrize(
    ("prices", "micros"),
    [
        ({"local": "0.01", "mobile": "0.02"}, 10_000),
        ({"mobile": "0.02", "local": "0.01"}, 10_000),
        ({"Toll-Free": "0.02", "shortcode": "0.03"}, 20_000),
        ({"tollfree": "0.02", None: "0.03"}, 20_000),
        ({"shortcode": "0.03", "national": "0.04", None: "0.01"}, 40_000),
        ({None: "0.01"}, 10_000),
        ({"local": "0", "mobile": "1"}, 0),
        ({"local": "0.0000005"}, 0),
        ({"local": "0.0000015"}, 2),
        ({"local": "0.00830049999999999999999"}, 8_300),
        ({"local": "1000000"}, 10**12),
    ],
)
def test_the_number_type_that_counts(prices: dict[str | None, str], micros: int) -> None:
    assert _inbound(prices) == {Scope("inbound", None): micros}


def test_a_list_without_prices_says_nothing() -> None:
    assert _micros() == {}
    empty = [{"mcc": "262", "mnc": "01", "prices": []}]
    assert _micros(outbound_sms_prices=empty) == {}


def test_a_price_for_each_carrier_and_one_for_the_others() -> None:
    answer = country("DE", {("262", "01"): "0.07", ("262", "2"): "0.08", None: "0.09"}, "0.01")
    assert micros_of(msgspec.convert(answer, CountryPrices), _TYPES, _USD) == {
        Scope("outbound", "26201"): 70_000,
        Scope("outbound", "26202"): 80_000,
        Scope("outbound", None): 90_000,
        Scope("inbound", None): 10_000,
    }


@pytest.mark.parametrize(
    ("prices", "usual"),
    [
        (["0.07"], 70_000),
        (["0.07", "0.08", "0.07"], 70_000),
        (["0.09", "0.07", "0.09", "0.07", "0.01"], 90_000),
        (["0.07", "0.08", "0.06"], 80_000),
    ],
)
def test_without_a_price_for_the_others_the_usual_one_counts(prices: list[str], usual: int) -> None:
    carriers = {("262", f"{number:02d}"): price for number, price in enumerate(prices)}
    answer = msgspec.convert(country("DE", carriers), CountryPrices)
    assert micros_of(answer, _TYPES, _USD)[Scope("outbound", None)] == usual


def test_of_two_prices_for_one_carrier_the_higher_counts() -> None:
    twice = [
        {"mcc": "262", "mnc": "01", "prices": [{"current_price": price}]}
        for price in ("0.05", "0.07", "0.06")
    ]
    assert _micros(outbound_sms_prices=twice)[Scope("outbound", "26201")] == 70_000


def test_currencies() -> None:
    prices = [{"number_type": "local", "current_price": "0.01"}]
    for unit in ("EUR", "eur"):
        micros = _micros(price_unit=unit, inbound_sms_prices=prices)
        assert micros == {Scope("inbound", None): 10_800}
    with pytest.raises(ValueError, match="price_unit: there is no rate for 'GBP'"):
        _micros(price_unit="GBP", inbound_sms_prices=prices)


@pytest.mark.parametrize("price", ["-0.01", "NaN", "Infinity", "1000000.1", "1E+400"])
def test_a_price_that_is_none(price: str) -> None:
    with pytest.raises(ValueError, match="inbound_sms_prices: current_price must be a number from"):
        _inbound({"local": price})


@pytest.mark.parametrize(("mcc", "mnc"), [("26", "01"), ("262", "0001"), ("2b2", "01")])
def test_a_carrier_that_is_none(mcc: str, mnc: str) -> None:
    one = [{"mcc": mcc, "mnc": mnc, "prices": [{"current_price": "1"}]}]
    with pytest.raises(ValueError, match=r"outbound_sms_prices\[0\]: mcc and mnc must have 5 or 6"):
        _micros(outbound_sms_prices=one)


def _published(*made: Rate) -> Card:
    return Card((*bundled_card().rates, *made), ExemptCodes("exempt_error_codes", ()))


def test_fees_mms_and_carriers_of_the_card_stay() -> None:
    micros = {
        Scope("outbound", "310410"): 7_000,
        Scope("outbound", None): 8_000,
        Scope("inbound", None): 5_000,
    }
    made = rates_of("US", micros, bundled_card().rates, _NOW)
    before, after = RateIndex(bundled_card()), RateIndex(_published(*made))
    at_ms = instant_ms(_NOW)
    carriers = {row.mcc_mnc for row in bundled_card().rates if row.country == "US"}
    assert {"310410", "310260", None} <= carriers
    for carrier in (*carriers, "310999"):
        for direction in ("outbound", "inbound"):
            was = before.quote("US", carrier, direction, "sms", 3, at_ms)
            now = after.quote("US", carrier, direction, "sms", 3, at_ms)
            usual = 8_000 if direction == "outbound" else 5_000
            own = 7_000 if (direction, carrier) == ("outbound", "310410") else usual
            assert now.base_micros == 3 * own
            assert (now.carrier_micros, now.failed_micros) == (
                was.carrier_micros,
                was.failed_micros,
            )
            assert after.quote("US", carrier, direction, "sms", 3, at_ms - 1) == was
            for other in ("mms",):
                asked = ("US", carrier, direction, other, 3, at_ms)
                assert after.quote(*asked) == before.quote(*asked)
    assert after.quote("DE", None, "outbound", "sms", 1, at_ms) == before.quote(
        "DE", None, "outbound", "sms", 1, at_ms
    )


def test_a_direction_without_prices_keeps_its_rates() -> None:
    made = rates_of("US", {Scope("inbound", None): 1}, bundled_card().rates, _NOW)
    assert {row.direction for row in made} == {"inbound"}


def test_ids_say_for_what_and_since_when() -> None:
    micros = {Scope("outbound", "26201"): 1, Scope("outbound", None): 2}
    made = rates_of("DE", micros, (), _NOW)
    assert [row.id for row in made] == [
        "twilio-de-26201-outbound-2026-03-01t12:00:00z",
        "twilio-de-any-outbound-2026-03-01t12:00:00z",
    ]
    assert made == rates_of("DE", micros, (), _NOW)
    assert {(row.source, row.valid_from) for row in made} == {("twilio", _NOW)}


def test_only_what_is_not_in_force_has_changed() -> None:
    at_ms = instant_ms(_NOW)
    micros = {Scope("outbound", None): 100, Scope("inbound", None): 50}
    first = rates_of("DE", micros, (), "2026-02-01T00:00:00Z")
    again = rates_of("DE", micros, first, _NOW)
    assert changed(again, first, at_ms) == []
    assert changed(again, (), at_ms) == [(row, row) for row in again]
    dearer = rates_of("DE", {**micros, Scope("outbound", None): 101}, first, _NOW)
    assert [(new.base_micros, old.base_micros) for new, old in changed(dearer, first, at_ms)] == [
        (101, 100)
    ]
    # What begins only later is not in force; what an operator loaded since is.
    later = rates_of("DE", {Scope("outbound", None): 101}, first, "2026-04-01T00:00:00Z")
    assert changed(again, [*first, *later], at_ms) == []
    mine = rate(id="mine", country="DE", valid_from="2026-02-15T00:00:00Z")
    assert [old.id for _, old in changed(again, [*first, mine], at_ms)] == ["mine"]
    # The same amounts from another source are told apart.
    same = rate(
        id="x", country="DE", base_micros=100, carrier_fee_micros=0, failed_fee_micros=0,
        valid_from="2026-02-15T00:00:00Z",
    )  # fmt: skip
    assert [new.source for new, _ in changed(again[:1], [same], at_ms)] == ["twilio"]


@pytest.mark.parametrize("seed", range(5))
def test_after_many_fetches_each_message_has_the_price_of_its_time(seed: int) -> None:
    """Against the oracle: lists that come and go, day by day, over the bundled card."""
    seeded = random.Random(seed)
    published, lists = list(bundled_card().rates), []
    for day in range(1, 8):
        at = f"2026-03-{day:02d}T00:00:00Z"
        scopes = [Scope("inbound", None)] if seeded.random() < 0.8 else []
        scopes += [Scope("outbound", c) for c in ("310410", "310260") if seeded.random() < 0.6]
        # Every list has a price for all other carriers, as `micros_of` sees to.
        scopes.append(Scope("outbound", None))
        micros = {scope: seeded.choice([4_000, 5_000]) for scope in scopes}
        lists.append((at, micros))
        made = rates_of("US", micros, published, at)
        published += [new for new, _ in changed(made, published, instant_ms(at))]
    rows = [msgspec.to_builtins(row) for row in published]
    oracle = oracle_card(rows, ())
    index = RateIndex(Card(tuple(published), ExemptCodes("exempt_error_codes", ())))
    for _ in range(400):
        at_ms = instant_ms("2026-03-01T00:00:00Z") + seeded.randrange(-86_400_000, 8 * 86_400_000)
        carrier = seeded.choice([None, "310410", "310260", "311580", "310999"])
        direction = seeded.choice(["inbound", "outbound"])
        quote = index.quote("US", carrier, direction, "sms", 1, at_ms)
        priced = oracle.price("US", carrier, direction, "sms", at_ms)
        assert (quote.base_micros, quote.carrier_micros) == (priced.base, priced.carrier)
        in_time = [micros for at, micros in lists if instant_ms(at) <= at_ms]
        base: int | None = None
        for micros in in_time:
            of_all = micros.get(Scope(direction, None), base)
            base = micros.get(Scope(direction, carrier), of_all)
        if base is not None:
            assert quote.base_micros == base
