"""Phone numbers: their country, and a keyed hash in place of the number itself."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import phonenumbers


@lru_cache(maxsize=65536)
def country_of(number: str) -> str | None:
    """ISO 3166 alpha-2 country of an E.164 number; None where the prefix names none."""
    for length in (1, 2, 3):  # the country code; none is the beginning of another
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(number[1 : 1 + length]))
        if regions is not None:
            break
    else:
        return None
    region: str | None = regions[0]
    if len(regions) > 1:
        region = _region_of(int(number[1 : 1 + length]), number[1 + length :]) or region
    return region if region != "001" else None


def _region_of(country_code: int, national: str) -> str | None:
    """Which of the countries that share a code has this number in use; None for none of them."""
    digits = national.lstrip("0")
    parsed = phonenumbers.PhoneNumber(
        country_code=country_code,
        national_number=int(digits or "0"),
        italian_leading_zero=len(digits) < len(national),
        number_of_leading_zeros=len(national) - len(digits) or None,
    )
    region: str | None = phonenumbers.region_code_for_number(parsed)
    return region


class NumberHash:
    """BLAKE2b of E.164 numbers under a secret key, cut to 64 bits."""

    def __init__(self, key: str) -> None:
        self._key = hashlib.sha256(key.encode()).digest()
        self.of = lru_cache(maxsize=65536)(self._of)

    def _of(self, number: str) -> int:
        digest = hashlib.blake2b(number.encode(), digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "big") or 1
