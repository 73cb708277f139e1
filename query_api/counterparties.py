"""What one user could have saved, from what became of his messages by the number at the other end.

`user_counterparties` gives the rows; those of two ranges of time add up. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from query_api.cells import country_of
from query_api.questions import Columns, Row
from query_api.sums import Numbers, by_key, groups, nothing, padded, stacked, summed
from schemas.rows import SAVINGS

_TEXTS = tuple(name for name in SAVINGS if name.startswith(("gsm_", "trimmed_")))
_MMS = ("with_media", "empty_messages", "empty_micros", "empty_segments")
_COLUMNS = ("number", "country", "messages", *SAVINGS)
_BITS = 64


@dataclass(frozen=True)
class Counterparties:
    """What became of messages by number at the other end and country, in any order, in any number
    of rows each."""

    numbers: Numbers

    def columns(self, *names: str) -> Numbers:
        """Some of the columns."""
        return self.numbers[:, [_COLUMNS.index(name) for name in names]]


NONE = Counterparties(nothing(len(_COLUMNS)))


def joined(*parts: Counterparties) -> Counterparties:
    """The rows of several parts."""
    return Counterparties(np.concatenate([part.numbers for part in parts]))


def by_owner(columns: Columns) -> dict[int, dict[int, Counterparties]]:
    """The answer of `user_counterparties` by the users that have any, and by the part of time."""
    if not columns:
        return {}
    owner, part, number, country, messages, sums = columns
    own = stacked(part, number, country.view("<u2"), messages, padded(sums, len(SAVINGS)))
    return {
        user: {place: Counterparties(some) for place, some in by_key(rows[:, 0], rows[:, 1:])}
        for user, rows in by_key(owner.astype(np.int64), own)
    }


def savings(found: Counterparties, least: int, rows: int) -> Row:
    """What other texts, SMS for empty MMS and no messages to failing numbers would have saved.

    gsm_* and trimmed_*: messages, segments and micro-USD. mms_*: parallel arrays by country of
    outbound MMS. numbers_*: of the numbers with at least `least` failed messages and none that
    arrived: how many, their messages and micro-USD; top_*: parallel arrays of the `rows` most
    expensive of these.
    """
    texts = dict(zip(_TEXTS, found.columns(*_TEXTS).sum(axis=0).tolist(), strict=True))
    return texts | _mms(found) | _failing(found, least, rows)


def _mms(found: Counterparties) -> dict[str, Any]:
    counts = found.columns(*_MMS)
    is_mms = (counts[:, 0] > 0) | (counts[:, 1] > 0)
    countries, sums = summed(found.columns("country")[is_mms, 0], counts[is_mms])
    columns = {f"mms_{name}": sums[:, place].tolist() for place, name in enumerate(_MMS)}
    return {"mms_countries": [country_of(code) for code in countries.tolist()]} | columns


def _failing(found: Counterparties, least: int, rows: int) -> dict[str, Any]:
    known = found.numbers[found.numbers[:, 0] != 0]
    if len(known):
        numbers, order, begins = groups(known[:, 0])
        own = Counterparties(np.add.reduceat(known[order], begins, axis=0))
        messages, micros, failed, arrived = own.columns(
            "messages", "cost_micros", "failed", "arrived"
        ).T
        is_failing = (failed >= least) & (arrived == 0)
        # Of a number whose messages name several countries, any.
        columns = (micros, numbers, known[order, 1][begins], messages)
        failing = np.column_stack(columns)[is_failing].tolist()
    else:
        failing = []
    top = sorted((-cost, number % 2**_BITS, *rest) for cost, number, *rest in failing)[:rows]
    return {
        "numbers": len(failing),
        "numbers_messages": sum(row[3] for row in failing),
        "numbers_micros": sum(row[0] for row in failing),
        "top_numbers": [row[1] for row in top],
        "top_countries": [country_of(row[2]) for row in top],
        "top_messages": [row[3] for row in top],
        "top_micros": [-row[0] for row in top],
    }
