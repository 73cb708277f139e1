"""What messages of the past would have cost with another rate card; nothing is changed.

Priced by the worker's own rules (`pricing`). Messages that these rules cannot tell apart come as
one group, so millions of them are some thousand rows. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from schemas.rows import DIRECTIONS, MESSAGE_TYPES
from streams.core.columns import Ints
from streams.core.pricing import RateIndex, costs

Kind = tuple[str, str, str]
"""Country, direction, message type."""

_DIRECTION = {code: name for name, code in DIRECTIONS.items()}
_TYPE = {code: name for name, code in MESSAGE_TYPES.items()}


@dataclass(frozen=True)
class Groups:
    """Columns of groups of messages: whose price the rules decide alike, and what they cost then.

    `countries` are `country_number`s, `carriers` MCC and MNC in bytes or none, directions and types
    codes of `schemas.rows`; `at_ms` is of any message of the group, between the same two starts of
    rates as all others. `then` has a row (base, carrier, failed) in micros, summed up.
    """

    countries: Any
    carriers: Any
    directions: Any
    message_types: Any
    segments: Any
    at_ms: Ints
    is_failed: Any
    is_canceled: Any
    is_settled: Any
    error_codes: Any
    has_error: Any
    messages: Ints
    then: Ints


@dataclass
class Difference:
    """Sums of micro-USD: what messages cost as they were priced, and with the other card.

    `settled` of them have the provider's price, which no card changes.
    """

    messages: int = 0
    settled: int = 0
    then: list[int] = field(default_factory=lambda: [0, 0, 0])
    now: list[int] = field(default_factory=lambda: [0, 0, 0])

    @property
    def micros(self) -> int:
        """How much more they would have cost."""
        return sum(self.now) - sum(self.then)

    def add(self, messages: int, settled: int, then: list[int], now: list[int]) -> None:
        """Count more messages in."""
        self.messages += messages
        self.settled += settled
        self.then = [a + b for a, b in zip(self.then, then, strict=True)]
        self.now = [a + b for a, b in zip(self.now, now, strict=True)]


def reprice(groups: Groups, index: RateIndex) -> Ints:
    """What the messages of each group would have cost: a row (base, carrier, failed), summed up."""
    quotes, _, _ = index.quotes(
        groups.countries,
        groups.carriers,
        groups.directions,
        groups.message_types,
        groups.segments,
        groups.at_ms,
    )
    is_exempt = groups.has_error & np.isin(groups.error_codes, list(index.exempt))
    # The provider's prices differ within a group: their sum stands in for them.
    provider = np.where(groups.is_settled, 0, -1)
    base, carrier, failed = costs(quotes, groups.is_failed, groups.is_canceled, is_exempt, provider)
    priced = np.stack([base, carrier, failed], axis=1) * groups.messages[:, np.newaxis]
    priced[:, 0] = np.where(groups.is_settled, groups.then[:, 0], priced[:, 0])
    return priced


def add_up(found: dict[Kind, Difference], groups: Groups, now: Ints, countries: list[str]) -> None:
    """Add groups, priced anew as `now`, to the differences by country, direction and type."""
    rows = zip(
        countries,
        groups.directions.tolist(),
        groups.message_types.tolist(),
        groups.messages.tolist(),
        groups.is_settled.tolist(),
        groups.then.tolist(),
        now.tolist(),
        strict=True,
    )
    for country, direction, message_type, messages, is_settled, then, anew in rows:
        kind = (country, _DIRECTION[direction], _TYPE[message_type])
        difference = found.setdefault(kind, Difference())
        difference.add(messages, messages if is_settled else 0, then, anew)


def total(found: dict[Kind, Difference]) -> Difference:
    """All of them together."""
    whole = Difference()
    for one in found.values():
        whole.add(one.messages, one.settled, one.then, one.now)
    return whole
