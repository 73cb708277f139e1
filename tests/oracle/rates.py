"""The rate card as the contract's section 5 reads it, from the data file that is shipped."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

CARD_FILE = Path(__file__).parents[2] / "schemas" / "rate_card.toml"


class Priced(NamedTuple):
    """What the card asks for: micro-USD per unit (base, carrier) and per failed message."""

    base: int
    carrier: int
    failed_fee: int
    source: str


NOTHING = Priced(0, 0, 0, "fallback")


@dataclass
class RateCard:
    """Rows of the card and the error codes that are free of the failed-message fee; what occurred
    before the first row is valid is priced by the card `before`."""

    rows: list[Mapping[str, Any]]
    exempt: frozenset[int]
    before: RateCard | None = None
    _chosen: dict[tuple[Any, ...], list[tuple[int, Priced]]] = field(default_factory=dict)

    def price(
        self, country: str, mcc_mnc: str | None, direction: str, message_type: str, at_ms: int
    ) -> Priced:
        """The row valid at `at_ms`: by carrier before country before `*`, then the latest
        `valid_from`, then the smallest id."""
        if self.before is not None and all(
            at_ms < instant_ms(row["valid_from"]) for row in self.rows
        ):
            return self.before.price(country, mcc_mnc, direction, message_type, at_ms)
        case = (country, mcc_mnc, direction, message_type)
        if case not in self._chosen:
            self._chosen[case] = self._candidates(*case)
        return next((row for since, row in self._chosen[case] if since <= at_ms), NOTHING)

    def _candidates(
        self, country: str, mcc_mnc: str | None, direction: str, message_type: str
    ) -> list[tuple[int, Priced]]:
        suitable = [
            row
            for row in self.rows
            if row["direction"] == direction
            and row["message_type"] == message_type
            and row["country"] in (country, "*")
            and row.get("mcc_mnc") in (None, mcc_mnc)
        ]
        suitable.sort(key=_precedence)
        return [(instant_ms(row["valid_from"]), _priced(row)) for row in suitable]


def _precedence(row: Mapping[str, Any]) -> tuple[bool, bool, int, str]:
    any_carrier, any_country = row.get("mcc_mnc") is None, row["country"] == "*"
    return (any_carrier, any_country, -instant_ms(row["valid_from"]), row["id"])


def _priced(row: Mapping[str, Any]) -> Priced:
    is_fallback = row["country"] == "*" and row.get("mcc_mnc") is None
    return Priced(
        row["base_micros"],
        row.get("carrier_fee_micros", 0),
        row.get("failed_fee_micros", 0),
        "fallback" if is_fallback else "rate_card",
    )


def instant_ms(text: str) -> int:
    """A whole-second RFC 3339 instant in ms since the epoch."""
    elapsed = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)
    return (elapsed.days * 86_400 + elapsed.seconds) * 1000


def card(rows: Iterable[Mapping[str, Any]], exempt: Iterable[int]) -> RateCard:
    """A card of these rows (named as in the card file) and exempt error codes."""
    return RateCard(list(rows), frozenset(exempt))


def shipped() -> RateCard:
    """The card that the product ships with."""
    text = tomllib.loads(CARD_FILE.read_text(encoding="utf-8"))
    return card(text["rates"], text["exempt"]["exempt_error_codes"])
