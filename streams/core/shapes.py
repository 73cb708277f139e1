"""The few combinations of small texts that events come in, each checked and looked up once.

Direction, status, country, carrier and the like repeat in nearly every event. Whatever depends on
them alone is worked out for a combination when it is first seen; an event then is a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from re import Pattern
from typing import Any

import numpy as np

from schemas.rows import DIRECTIONS, ENCODINGS, MESSAGE_TYPES, STATUS_CODES
from streams.core.columns import Ints, gather

Key = tuple[Any, ...]
"""An event's (type, direction, message_type, status, encoding, country_code, mcc_mnc, error_code,
price_unit), decoded but not yet checked against the patterns."""

SHAPE = np.dtype(
    [
        ("is_status", "?"),
        ("direction", "i1"),
        ("message_type", "i1"),
        ("status", "i1"),
        ("encoding", "i1"),
        ("country", "i2"),
        ("mcc_mnc", "S6"),
        ("has_error", "?"),
        ("error_code", "i4"),
        ("currency", "S3"),
    ]
)
"""Codes as in `schemas.rows`; `country` as `country_number`, 0 for none."""


def country_number(country: str) -> int:
    """An ISO 3166 alpha-2 code as 1 … 676, in alphabetical order."""
    return (ord(country[0]) - 65) * 26 + ord(country[1]) - 64


def country_text(number: int) -> str:
    """The code that `country_number` made a number of."""
    return chr((number - 1) // 26 + 65) + chr((number - 1) % 26 + 65)


class Shapes:
    """The shapes seen lately; codes are good until the next `forget`."""

    def __init__(self, patterns: Mapping[str, Pattern[str]], limit: int) -> None:
        self._patterns = patterns
        self._limit = limit
        self._codes: dict[Key, int] = {}
        self.table = np.zeros(1024, SHAPE)

    def __len__(self) -> int:
        return len(self._codes)

    def forget(self) -> None:
        """Begin anew when there are too many."""
        if len(self._codes) > self._limit:
            self._codes.clear()

    def codes(self, keys: Sequence[Key]) -> Ints:
        """The row in `table` of each key; −1 where the strict decoder has to say what is wrong."""
        found: list[Any] = list(map(self._codes.get, keys))
        if None in found:
            for place, code in enumerate(found):
                if code is None:
                    found[place] = self.code(keys[place])
        return np.array(found, np.int64)

    def gather(self, codes: Ints) -> Any:
        """The row of `table` of each code."""
        return gather(self.table, codes)

    def code(self, key: Key) -> int:
        """As `codes`, of one key."""
        known = self._codes.get(key)
        if known is not None:
            return known
        kind, direction, message_type, status, encoding, country, mcc_mnc, error, currency = key
        if not (status if kind == "status" else direction):
            return -1
        for name, text in (("country_code", country), ("mcc_mnc", mcc_mnc)):
            if text is not None and self._patterns[name].search(text) is None:
                return -1
        if self._patterns["price_unit"].search(currency) is None:
            return -1
        is_inbound = direction == "inbound"
        code = len(self._codes)
        if code == len(self.table):
            self.table = np.concatenate([self.table, np.zeros(code, SHAPE)])
        self.table[code] = (
            kind == "status",
            DIRECTIONS["inbound" if is_inbound else "outbound"],
            MESSAGE_TYPES[message_type],
            STATUS_CODES[status or ("received" if is_inbound else "sent")],
            ENCODINGS[encoding],
            0 if country is None else country_number(country),
            mcc_mnc or "",
            error is not None,
            error or 0,
            currency,
        )
        self._codes[key] = code
        return code
