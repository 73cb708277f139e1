"""Phone numbers: their country, and a keyed hash in place of the number itself."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import phonenumbers


@lru_cache(maxsize=65536)
def country_of(number: str) -> str | None:
    """ISO 3166 alpha-2 country of an E.164 number; None where the prefix names none."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
    region = phonenumbers.region_code_for_number(parsed)
    if region is None:
        # Not a number in use there, or a code of one country only: the country code decides.
        region = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    return region if len(region) == 2 and region != "ZZ" else None


class NumberHash:
    """BLAKE2b of E.164 numbers under a secret key, cut to 64 bits."""

    def __init__(self, key: str) -> None:
        self._key = hashlib.sha256(key.encode()).digest()
        self.of = lru_cache(maxsize=65536)(self._of)

    def _of(self, number: str) -> int:
        digest = hashlib.blake2b(number.encode(), digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "big") or 1
