"""Rate cards as files: TOML in the shape of `schemas/rate_card.toml`, read for loading and for
re-pricing. A fault is told with its field, and where one applies its limit."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from schemas.rates import Card, ExemptCodes, Rate

MAX_BYTES = 64 << 20
MAX_RATES = 200_000


def read_card(path: Path) -> Card:
    """The card of a file. Raises ValueError, naming the file and the field that is not valid."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"is larger than {MAX_BYTES >> 20} MiB")
        text = tomllib.loads(path.read_text(encoding="utf-8"))
        card = msgspec.convert(text, Card)
        _refuse_unknown_fields(text)
        _refuse_equal_ids(card)
    except (msgspec.ValidationError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    return card


def _refuse_unknown_fields(text: Mapping[str, Any]) -> None:
    """A field with a typing error would otherwise be a price of 0."""
    parts = [("$", text, Card), ("$.exempt", text["exempt"], ExemptCodes)]
    parts += [(f"$.rates[{n}]", rate, Rate) for n, rate in enumerate(text["rates"])]
    for place, found, kind in parts:
        known = kind.__struct_fields__
        for name in found:
            if name not in known:
                raise ValueError(f"unknown field `{name}` at `{place}`; known: {', '.join(known)}")


def _refuse_equal_ids(card: Card) -> None:
    if not 0 < len(card.rates) <= MAX_RATES:
        raise ValueError(f"a card has 1 to {MAX_RATES} rates - at `$.rates`")
    seen: dict[str, str] = {card.exempt.id: "$.exempt"}
    for place, rate in enumerate(card.rates):
        if rate.id in seen:
            raise ValueError(
                f"the id `{rate.id}` is that of `{seen[rate.id]}`, too - at `$.rates[{place}].id`"
            )
        seen[rate.id] = f"$.rates[{place}]"
