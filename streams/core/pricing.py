"""What a message costs, in integer micro-USD; contract section 5.

Decided once, when a message is first folded; the amounts that the rate card gave are stored with
the message, so receipts and replays are priced from there and never from a newer card.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from schemas.rates import Card, Rate, origin_of
from schemas.rows import DIRECTIONS, MESSAGE_TYPES
from schemas.units import MICROS_PER_USD
from streams.core.columns import Flags, Ints, distinct
from streams.core.shapes import country_text

_UNIT = Decimal(1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Quote(msgspec.Struct, frozen=True, gc=False):
    """The card's price for one whole message in micro-USD, before its outcome is looked at.

    `is_fallback` when only the card's `*` row, or none at all, applied; `origin` is one of
    `schemas.rows.RATE_ORIGINS`.
    """

    base_micros: int
    carrier_micros: int
    failed_micros: int
    is_fallback: bool
    origin: int = 0


NO_RATE = Quote(0, 0, 0, True)
_NAME_OF = {
    "direction": {code: name for name, code in DIRECTIONS.items()},
    "message_type": {code: name for name, code in MESSAGE_TYPES.items()},
}

_MEMO_LIMIT = 100_000
_NEVER = 2**62
_Candidate = tuple[int, Rate, dict[int, Quote]]


class RateIndex:
    """A rate card, indexed for one look-up per message.

    A card is in force from its earliest `valid_from` on; what occurred before is priced by the
    index `before`, where there is one.
    """

    def __init__(self, card: Card, before: RateIndex | None = None) -> None:
        self.exempt = frozenset(card.exempt.exempt_error_codes)
        self._before = before
        self._scopes: dict[tuple[str, str | None, str, str], list[Rate]] = {}
        for rate in card.rates:
            scope = (rate.country, rate.mcc_mnc, rate.direction, rate.message_type)
            self._scopes.setdefault(scope, []).append(rate)
        self._tiers: dict[tuple[str, str | None, str, str], list[_Candidate]] = {}
        self._quotes: dict[tuple[int, int], tuple[int, ...]] = {}
        # Between two of these instants no quote changes.
        starts = {instant_ms(rate.valid_from) for rate in card.rates}
        self._since_ms = min(starts, default=_NEVER)
        if before is not None:
            starts.update(start for start in before.starts.tolist() if start < self._since_ms)
        self.starts: Ints = np.array(sorted(starts), np.int64)

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
        if self._before is not None and at_ms < self._since_ms:
            return self._before.quote(country, mcc_mnc, direction, message_type, segments, at_ms)
        key = (country, mcc_mnc, direction, message_type)
        tiers = self._tiers.get(key)
        if tiers is None:
            if len(self._tiers) > _MEMO_LIMIT:
                self._tiers.clear()
            tiers = self._tiers[key] = self._candidates(*key)
        units = segments if message_type == "sms" else 1
        for valid_from, rate, quotes in tiers:
            if valid_from <= at_ms:
                quote = quotes.get(units)
                if quote is None:
                    quote = quotes[units] = _quote(rate, units)
                return quote
        return NO_RATE

    def quotes(
        self,
        countries: Any,
        carriers: Any,
        directions: Any,
        message_types: Any,
        segments: Any,
        at_ms: Ints,
    ) -> tuple[Ints, Flags, Ints]:
        """Quotes of messages: a row (base, carrier, failed) each, which are of the `*` row, and
        the origins of the rates.

        Countries are `country_number`s, carriers MCC and MNC in bytes or none; directions and
        types are codes of `schemas.rows`.
        """
        eras = np.searchsorted(self.starts, at_ms, "right")
        kinds = (countries.astype(np.int64) * 4 + directions * 2 + message_types) * 128 + segments
        keys = np.stack([kinds * (len(self.starts) + 1) + eras, _numbers(carriers)])
        alike, of_each = distinct(keys)
        if len(self._quotes) > _MEMO_LIMIT:
            self._quotes.clear()
        rows = []
        for place, kind, carrier in zip(alike.tolist(), *keys[:, alike].tolist(), strict=True):
            row = self._quotes.get((kind, carrier))
            if row is None:
                quote = self.quote(
                    country_text(int(countries[place])),
                    carriers[place].decode() or None,
                    _NAME_OF["direction"][int(directions[place])],
                    _NAME_OF["message_type"][int(message_types[place])],
                    int(segments[place]),
                    int(at_ms[place]),
                )
                row = self._quotes[kind, carrier] = msgspec.structs.astuple(quote)
            rows.append(row)
        table = np.array(rows, np.int64).reshape(-1, 5)[of_each]
        return table[:, :3], table[:, 3] != 0, table[:, 4]

    def _candidates(
        self, country: str, mcc_mnc: str | None, direction: str, message_type: str
    ) -> list[_Candidate]:
        """Rows that may apply, the first that is valid at the time does."""

        def tier(of_country: str, of_carrier: str | None) -> list[_Candidate]:
            rows: list[_Candidate] = [
                (instant_ms(rate.valid_from), rate, {})
                for rate in self._scopes.get((of_country, of_carrier, direction, message_type), ())
            ]
            return sorted(rows, key=lambda row: (-row[0], row[1].id))

        rows = [*tier(country, None), *tier("*", None)]
        if mcc_mnc is not None:
            rows[:0] = [*tier(country, mcc_mnc), *tier("*", mcc_mnc)]
        return rows


def _numbers(carriers: Any) -> Ints:
    """Texts of up to six characters as integers."""
    return np.ascontiguousarray(carriers, "S8").view(np.int64)


def _quote(rate: Rate, units: int) -> Quote:
    return Quote(
        rate.base_micros * units,
        rate.carrier_fee_micros * units,
        rate.failed_fee_micros,
        rate.country == "*" and rate.mcc_mnc is None,
        origin_of(rate),
    )


def instant_ms(text: str) -> int:
    """An RFC 3339 instant with an offset, in ms, truncated."""
    return (datetime.fromisoformat(text.upper()) - _EPOCH) // _MILLISECOND


@lru_cache(maxsize=65536)
def provider_micros(price: str, usd_per_unit: Decimal) -> int:
    """A provider's decimal price as micro-USD, sign dropped, rounded half-even."""
    micros = abs(Decimal(price)) * usd_per_unit * MICROS_PER_USD
    return int(micros.quantize(_UNIT, ROUND_HALF_EVEN))


def costs(
    quotes: Ints, is_failed: Flags, is_canceled: Flags, is_exempt: Flags, provider: Ints
) -> tuple[Ints, Ints, Ints]:
    """Base, carrier and failed-message fee of messages in their current status, in micros.

    `quotes` has a row (base, carrier, failed) a message; `provider` is the provider's price in
    micros, which replaces base and carrier fee, or −1. Canceled messages cost nothing; failed
    ones bear only the failed-message fee, unless their error code is exempt, and that fee stays
    by rule when the provider's price comes.
    """
    has_price = provider >= 0
    by_card = ~(is_failed | is_canceled | has_price)
    base = np.where(has_price & ~is_canceled, provider, np.where(by_card, quotes[:, 0], 0))
    carrier = np.where(by_card, quotes[:, 1], 0)
    failed = np.where(is_failed & ~is_exempt, quotes[:, 2], 0)
    return base, carrier, failed


def usd_rates(configured: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """USD per unit of each currency a price may have; USD is always one of them."""
    return {**configured, "USD": _UNIT}
