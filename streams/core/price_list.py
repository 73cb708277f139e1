"""A provider's price list becomes rates: Twilio's Pricing API v1, one country at a time.

Between the API's client and the rate-card topic. The list has SMS prices only, so carrier fees,
failed-message fees and MMS stay those of the card in force. Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from schemas.rates import TWILIO, Rate, card_of
from streams.core.pricing import RateIndex, instant_ms, provider_micros

Direction = Literal["inbound", "outbound"]
_MOST = Decimal(1_000_000)
_MCC_MNC = re.compile(r"[0-9]{5,6}", re.ASCII)


class NumberPrice(msgspec.Struct, frozen=True):
    """A price for one type of number; `current_price` is the account's, in decimal."""

    current_price: Decimal
    number_type: str | None = None


class CarrierPrices(msgspec.Struct, frozen=True):
    """The prices of messages to one carrier, or to all that are not named."""

    prices: list[NumberPrice]
    mcc: str | None = None
    mnc: str | None = None


class CountryPrices(msgspec.Struct, frozen=True):
    """The answer of `Messaging/Countries/{IsoCountry}`, as much of it as is used."""

    iso_country: str
    price_unit: str
    outbound_sms_prices: list[CarrierPrices]
    inbound_sms_prices: list[NumberPrice]


class Scope(NamedTuple):
    """Which SMS of a country a rate is for; `mcc_mnc` None is any carrier."""

    direction: Direction
    mcc_mnc: str | None


def micros_of(
    listed: CountryPrices, number_types: Sequence[str], usd_rates: Mapping[str, Decimal]
) -> dict[Scope, int]:
    """Micro-USD of a segment, by scope. Of the prices for several number types that of the first
    of `number_types` counts which the list has, else the highest.

    For messages whose carrier is not known: the price of all other carriers where the list has
    one, else the price that most carriers have, of equally many the highest. Raises ValueError,
    naming the field.
    """
    per_unit = usd_rates.get(listed.price_unit.upper())
    if per_unit is None:
        raise ValueError(f"price_unit: there is no rate for {listed.price_unit[:8]!r}")

    def chosen(field: str, prices: Sequence[NumberPrice]) -> int | None:
        price = _of_number_type(field, prices, number_types)
        return None if price is None else provider_micros(str(price), per_unit)

    found: dict[Scope, int] = {}
    for place, carrier in enumerate(listed.outbound_sms_prices):
        field = f"outbound_sms_prices[{place}]"
        micros = chosen(field, carrier.prices)
        if micros is not None:
            scope = Scope("outbound", _mcc_mnc(field, carrier))
            found[scope] = max(micros, found.get(scope, 0))
    if found:
        found.setdefault(Scope("outbound", None), _usual(found.values()))
    inbound = chosen("inbound_sms_prices", listed.inbound_sms_prices)
    if inbound is not None:
        found[Scope("inbound", None)] = inbound
    return found


def _of_number_type(
    field: str, prices: Sequence[NumberPrice], number_types: Sequence[str]
) -> Decimal | None:
    by_type: dict[str, Decimal] = {}
    for price in prices:
        amount = price.current_price
        if not amount.is_finite() or not 0 <= amount <= _MOST:
            raise ValueError(f"{field}: current_price must be a number from 0 to {_MOST}")
        name = _plain(price.number_type or "")
        by_type[name] = max(amount, by_type.get(name, amount))
    for wanted in number_types:
        if _plain(wanted) in by_type:
            return by_type[_plain(wanted)]
    return max(by_type.values(), default=None)


def _plain(number_type: str) -> str:
    """`Toll Free`, `toll-free` and `tollfree` are one."""
    return "".join(filter(str.isalnum, number_type)).lower()


def _mcc_mnc(field: str, carrier: CarrierPrices) -> str | None:
    if not carrier.mcc or not carrier.mnc:
        return None
    number = carrier.mcc + carrier.mnc.zfill(2)
    if not _MCC_MNC.fullmatch(number):
        raise ValueError(f"{field}: mcc and mnc must have 5 or 6 digits together")
    return number


def _usual(prices: Iterable[int]) -> int:
    counts = Counter(prices)
    return max(counts, key=lambda price: (counts[price], price))


def rates_of(
    country: str, micros: Mapping[Scope, int], in_force: Sequence[Rate], valid_from: str
) -> list[Rate]:
    """The rates that a country's prices make: valid from then on, with the fees of the card in
    force. A carrier that only the card knows gets the country's price with its own fee."""
    index, at_ms = RateIndex(card_of(in_force)), instant_ms(valid_from)
    wanted = dict(micros)
    for rate in in_force:
        scope = Scope(rate.direction, rate.mcc_mnc)
        of_all = micros.get(Scope(rate.direction, None))
        if (rate.country, rate.message_type) == (country, "sms") and of_all is not None:
            wanted.setdefault(scope, of_all)
    made = []
    for (direction, mcc_mnc), base in wanted.items():
        fees = index.quote(country, mcc_mnc, direction, "sms", 1, at_ms)
        made.append(
            Rate(
                id=f"{TWILIO}-{country}-{mcc_mnc or 'any'}-{direction}-{valid_from}".lower(),
                country=country,
                direction=direction,
                message_type="sms",
                base_micros=base,
                valid_from=valid_from,
                source=TWILIO,
                mcc_mnc=mcc_mnc,
                carrier_fee_micros=fees.carrier_micros,
                failed_fee_micros=fees.failed_micros,
            )
        )
    return made


def changed(made: Iterable[Rate], in_force: Sequence[Rate], at_ms: int) -> list[tuple[Rate, Rate]]:
    """Those rates that differ from the one for the very same messages that is in force at a time,
    with that one (or themselves, where there is none)."""
    newest: dict[tuple[str, str | None, str, str], Rate] = {}
    for rate in sorted(in_force, key=lambda one: one.id, reverse=True):
        known = newest.get(_messages(rate))
        starts = instant_ms(rate.valid_from)
        if starts <= at_ms and (known is None or starts >= instant_ms(known.valid_from)):
            newest[_messages(rate)] = rate
    pairs = [(rate, newest.get(_messages(rate))) for rate in made]
    return [
        (rate, before or rate)
        for rate, before in pairs
        if before is None or _says(rate) != _says(before)
    ]


def _messages(rate: Rate) -> tuple[str, str | None, str, str]:
    return rate.country, rate.mcc_mnc, rate.direction, rate.message_type


def _says(rate: Rate) -> tuple[int, int, int, str]:
    return rate.base_micros, rate.carrier_fee_micros, rate.failed_fee_micros, rate.source
