"""What a message costs, in integer micro-USD; contract section 5.

Decided once, when a message is first folded; the amounts that the rate card gave are stored with
the message, so receipts and replays are priced from there and never from a newer card.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

import msgspec

from schemas.rates import Card, Rate
from schemas.units import MICROS_PER_USD

_UNIT = Decimal(1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Quote(msgspec.Struct, frozen=True, gc=False):
    """The card's price for one whole message in micro-USD, before its outcome is looked at.

    `is_fallback` when only the card's `*` row, or none at all, applied.
    """

    base_micros: int
    carrier_micros: int
    failed_micros: int
    is_fallback: bool


class Cost(msgspec.Struct, frozen=True, gc=False):
    """What a message costs now; provisional parts may still be replaced by a provider's price."""

    base_micros: int
    carrier_fee_micros: int
    failed_fee_micros: int
    provisional_micros: int


NO_RATE = Quote(0, 0, 0, True)


_Candidate = tuple[int, Rate, dict[int, Quote]]


class RateIndex:
    """A rate card, indexed for one look-up per message."""

    def __init__(self, card: Card) -> None:
        self.exempt = frozenset(card.exempt.exempt_error_codes)
        self._rates = card.rates
        self._tiers: dict[tuple[str, str | None, str, str], list[_Candidate]] = {}

    def quote(
        self,
        country: str,
        mcc_mnc: str | None,
        direction: str,
        message_type: str,
        segments: int,
        at_ms: int,
    ) -> Quote:
        """The quote for a message of `segments` that occurred at `at_ms`.

        Precedence: carrier, country, `*`; within each the latest `valid_from`, then the id.
        """
        key = (country, mcc_mnc, direction, message_type)
        tiers = self._tiers.get(key)
        if tiers is None:
            tiers = self._tiers[key] = self._candidates(*key)
        units = segments if message_type == "sms" else 1
        for valid_from, rate, quotes in tiers:
            if valid_from <= at_ms:
                quote = quotes.get(units)
                if quote is None:
                    quote = quotes[units] = _quote(rate, units)
                return quote
        return NO_RATE

    def _candidates(
        self, country: str, mcc_mnc: str | None, direction: str, message_type: str
    ) -> list[_Candidate]:
        """Rows that may apply, the first that is valid at the time does."""

        def tier(of_country: str, of_carrier: str | None) -> list[_Candidate]:
            rows: list[_Candidate] = [
                (instant_ms(rate.valid_from), rate, {})
                for rate in self._rates
                if rate.country == of_country
                and rate.mcc_mnc == of_carrier
                and rate.direction == direction
                and rate.message_type == message_type
            ]
            return sorted(rows, key=lambda row: (-row[0], row[1].id))

        rows = [*tier(country, None), *tier("*", None)]
        if mcc_mnc is not None:
            rows[:0] = [*tier(country, mcc_mnc), *tier("*", mcc_mnc)]
        return rows


def _quote(rate: Rate, units: int) -> Quote:
    return Quote(
        rate.base_micros * units,
        rate.carrier_fee_micros * units,
        rate.failed_fee_micros,
        rate.country == "*" and rate.mcc_mnc is None,
    )


def instant_ms(text: str) -> int:
    """An RFC 3339 instant with an offset, in ms, truncated."""
    return (datetime.fromisoformat(text.upper()) - _EPOCH) // _MILLISECOND


@lru_cache(maxsize=65536)
def provider_micros(price: str, usd_per_unit: Decimal) -> int:
    """A provider's decimal price as micro-USD, sign dropped, rounded half-even."""
    micros = abs(Decimal(price)) * usd_per_unit * MICROS_PER_USD
    return int(micros.quantize(_UNIT, ROUND_HALF_EVEN))


def cost(quote: Quote, status: str, fee_exempt: bool, provider: int | None) -> Cost:
    """The cost of a message in its current status.

    `provider` is the provider's price in micros, which replaces base and carrier fee. Canceled
    messages cost nothing; failed ones bear only the failed-message fee, unless their error code
    is exempt, and that fee stays by rule when the provider's price comes.
    """
    if status == "canceled":
        return _FREE
    failed = status == "failed"
    fee = quote.failed_micros if failed and not fee_exempt else 0
    if provider is not None:
        return Cost(provider, 0, fee, 0)
    if failed:
        return Cost(0, 0, fee, 0)
    base, carrier = quote.base_micros, quote.carrier_micros
    return Cost(base, carrier, 0, base + carrier)


_FREE = Cost(0, 0, 0, 0)


def usd_rates(configured: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """USD per unit of each currency a price may have; USD is always one of them."""
    return {**configured, "USD": _UNIT}
