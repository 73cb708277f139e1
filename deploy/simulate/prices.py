"""What the provider charged: the bundled card's list price less a volume discount.

As Twilio writes prices: negative decimal strings with five decimals, carrier fee included.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deploy.simulate.countries import COUNTRIES
from deploy.simulate.population import Ints
from schemas.rates import Rate, bundled_card

PRICED_SHARE = 0.4
MAX_DISCOUNT = 0.15
_CARRIERS = np.array(
    [(list(country.carriers) + [None] * 5)[:5] for country in COUNTRIES], dtype=object
)


def _list_micros(country: str, direction: str, message_type: str) -> int:
    def suits(rate: Rate) -> bool:
        return (rate.direction, rate.message_type) == (direction, message_type) and not rate.mcc_mnc

    rates = {rate.country: rate.base_micros for rate in bundled_card().rates if suits(rate)}
    return rates.get(country, rates["*"])


_BASE_MICROS = np.array(
    [
        [
            [_list_micros(country.code, direction, kind) for kind in ("sms", "mms")]
            for direction in ("outbound", "inbound")
        ]
        for country in COUNTRIES
    ]
)
_FEES = {
    (str(rate.mcc_mnc), str(rate.direction)): rate.carrier_fee_micros
    for rate in bundled_card().rates
    if rate.mcc_mnc
}


def carriers(rng: np.random.Generator, countries: Ints) -> list[str | None]:
    """A carrier (MCC and MNC) per country index; None where it is unknown."""
    found: list[str | None] = _CARRIERS[countries, rng.integers(5, size=len(countries))].tolist()
    return found


def charged(
    rng: np.random.Generator,
    countries: Ints,
    carriers: list[str | None],
    is_inbound: NDArray[np.bool_],
    is_mms: NDArray[np.bool_],
    segments: Ints,
) -> list[str | None]:
    """The price of each message as a decimal string in USD, or None where it is not known yet.

    A few have seven decimals that end half-way between two micros.
    """
    base = _BASE_MICROS[countries, is_inbound.astype(int), is_mms.astype(int)]
    directions = np.where(is_inbound, "inbound", "outbound").tolist()
    fees = [_FEES.get((str(c), d), 0) for c, d in zip(carriers, directions, strict=True)]
    discount = 1 - rng.random(len(countries)) * MAX_DISCOUNT
    usd = (base + np.where(is_mms, 0, fees)) * segments * discount / 1e6
    kinds = rng.random(len(countries))
    return [
        None if kind > PRICED_SHARE else f"-{amount:.5f}{_half_micro(kind)}"
        for amount, kind in zip(usd.tolist(), kinds.tolist(), strict=True)
    ]


def _half_micro(kind: float) -> str:
    if kind > 0.02:
        return ""
    return "05" if kind < 0.01 else "15"
