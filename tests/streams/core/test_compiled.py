"""Compiled loops against what they stand for: patterns, decimals, groups found one by one."""

from __future__ import annotations

import random
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pytest

from streams.core.columns import Texts, distinct
from streams.core.compiled.texts import is_phone_number, is_price, price_micros
from streams.core.strict import PATTERNS

_PRICES = [
    *("0", "-0", "7", "007", "999999", "0999999", "1000000", "1000000.000000000000", "1000000.1"),
    *(
        "0.0000005",
        "0.0000015",
        "0.00000050000",
        "0.000000500001",
        "-0.0075",
        "123456.123456789012",
    ),
    *("", "-", ".", "1.", ".5", "1.2.3", "1-2", "--1", "+1", " 1", "1 ", "1e3", "0.1234567890123"),
    *("000000.1", "1234567", "12345678", "999999.999999999999", "0999999.999999999999"),
]
_NUMBERS = [
    "+12",
    "+1",
    "+",
    "",
    "12",
    "+012",
    "+1 2",
    "+12a",
    "+123456789012345",
    "+1234567890123456",
]


def _bytes(text: str) -> tuple[np.ndarray, int, int]:  # type: ignore[type-arg]
    return np.frombuffer(f"x{text}x".encode(), np.uint8), 1, 1 + len(text)


@pytest.mark.parametrize("text", [text for text in _PRICES if text])
def test_a_price_of_the_usual_form_has_the_pattern_of_prices(text: str) -> None:
    has_pattern = PATTERNS["price"].search(text) is not None
    is_usual = is_price(*_bytes(text))
    assert is_usual <= has_pattern
    # What the pattern allows beyond the usual form: seven digits before the point.
    assert is_usual or not has_pattern or len(text.lstrip("-").partition(".")[0]) == 7


@pytest.mark.parametrize("text", [text for text in _NUMBERS if text])
def test_a_number_of_the_usual_form_has_the_pattern_of_numbers(text: str) -> None:
    assert is_phone_number(*_bytes(text)) == (PATTERNS["phone_number"].search(text) is not None)


def test_prices_are_rounded_as_decimals_are() -> None:
    valid = [text for text in _PRICES if PATTERNS["price"].search(text)]
    chance = random.Random(7)
    for _ in range(2000):
        digits = "".join(chance.choices("0123456789", k=chance.randint(1, 6)))
        decimals = "".join(chance.choices("05", k=chance.randint(1, 12)))
        valid.append(f"{chance.choice(('', '-'))}{digits}.{decimals}")
    texts = Texts.of([*(text.encode() for text in valid), None])
    micros = np.zeros(len(texts), np.int64)
    price_micros(texts.content, texts.starts, texts.sizes, micros)
    assert micros.tolist() == [
        *(
            int((abs(Decimal(text)) * 1_000_000).quantize(Decimal(1), ROUND_HALF_EVEN))
            for text in valid
        ),
        -1,
    ]


@pytest.mark.parametrize("kinds", [1, 2, 50, 10**12])
def test_distinct_columns_are_numbered_as_they_appear(kinds: int) -> None:
    chance = np.random.default_rng(kinds)
    keys = chance.integers(-kinds, kinds, (2, 3000))
    first, of_each = distinct(keys)
    seen: dict[tuple[int, ...], int] = {}
    expected = [seen.setdefault(tuple(key), len(seen)) for key in keys.T.tolist()]
    assert of_each.tolist() == expected
    assert first.tolist() == [expected.index(kind) for kind in range(len(seen))]
