"""Phone numbers: the country they are of, and the keyed hash that stands for them."""

from __future__ import annotations

import pytest

from streams.numbers import NumberHash, country_of


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+4915112345678", "DE"),
        ("+12125550123", "US"),
        ("+14165550123", "CA"),
        ("+442079460000", "GB"),
        ("+447700900123", "GB"),
        ("+97714123456", "NP"),
        ("+77012345678", "KZ"),
        ("+79161234567", "RU"),
        ("+4960000", "DE"),  # no number there, but the code of one country
        ("+88312345678", None),  # international networks belong to no country
        ("+80012345678", None),
        ("+496", "DE"),  # too short for a number, but see above
        ("+49", "DE"),
        ("+490000000000000", "DE"),
        ("+39061234567", "IT"),  # a zero that belongs to the number
        ("+3780549123456", "SM"),
        ("+12", "US"),  # of the countries that share a code, the first unless the number says
        ("+1", "US"),
        ("+1204", "US"),
        ("+12045550123", "CA"),
        ("+18765550123", "JM"),
        ("+10000000000", "US"),
        ("+441534456789", "JE"),
        ("+440000000000", "GB"),
        ("+7", "RU"),
        ("+870773111632", None),
        ("+999", None),
        ("+21", None),
        ("+210", None),
        ("+2", None),
    ],
)
def test_countries(number: str, country: str | None) -> None:
    assert country_of(number) == country


def test_a_hash_is_64_bits_of_number_and_key() -> None:
    first, second = NumberHash("a key of sixteen"), NumberHash("another of sixteen")
    numbers = [f"+4915{n:09d}" for n in range(500)]
    hashes = {number: first.of(number) for number in numbers}
    assert len(set(hashes.values())) == len(numbers)
    assert all(0 < value < 2**64 for value in hashes.values())
    assert max(hashes.values()) > 2**62
    assert hashes == {number: NumberHash("a key of sixteen").of(number) for number in numbers}
    assert not set(hashes.values()) & {second.of(number) for number in numbers}


def test_a_hash_stays_the_same_for_ever() -> None:
    # Rows of years are compared by it: change the algorithm and this test tells.
    assert NumberHash("a key of sixteen").of("+4915112345678") == 15_250_994_713_857_415_879
