"""Cells from ClickHouse's columns, and their sums, whether each cell became rows before or not."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest

from query_api import cells
from query_api.questions import Columns
from schemas.native_answers import Arrays
from schemas.statuses import STATUSES

_PLAIN = 10
_STATUSES = 13
_MAX = 2**40
"""Sums of it do not fit into 32 bits."""


def _arrays(rows: list[list[int]], dtype: Any = np.int64) -> Arrays:
    values = [value for row in rows for value in row]
    return Arrays(np.cumsum([len(row) for row in rows]), np.array(values, dtype))


def _columns(dice: random.Random, count: int, *, with_times: bool = True) -> Columns:
    """Cells of few users, days and kinds, so that many have the same."""

    def each(*choices: Any) -> list[Any]:
        return [dice.choice(choices) for _ in range(count)]

    codes = [dice.sample((30003, 30005, -1, 2**31 - 1), dice.randrange(4)) for _ in range(count)]
    bins = [dice.sample(range(300), dice.randrange(20)) for _ in range(count)]
    counted = [[[dice.randrange(5) for _ in row] for row in rows] for rows in (codes, bins)]
    times = [_arrays(bins, np.uint16), _arrays(counted[1])]
    return [
        np.array(each(1, 7, 2**63 + 5), np.uint64),
        np.array(each(86_400, 172_800), np.uint32),
        np.array(each(1, 2), np.int8),
        np.array(each(1, 2), np.int8),
        np.array(each(b"US", b"GB", b"\0\0"), "S2"),
        *(np.array(each(0, 1, _MAX)) for _ in range(_PLAIN)),
        _arrays([[dice.randrange(9) for _ in range(dice.randrange(14))] for _ in range(count)]),
        *(_arrays(codes, np.int32), _arrays(counted[0])),
        *(times if with_times else ()),
    ]


def _plain_sums(columns: Columns) -> dict[Any, list[int]]:
    """By user and kind: the sums of the counters, and the largest of the last one."""
    user, _, *kind = (column.tolist() for column in columns[:5])
    sums: dict[Any, list[int]] = defaultdict(lambda: [0] * _PLAIN)
    for row, key in enumerate(zip(user, *kind, strict=True)):
        own = sums[key]
        for place, column in enumerate(columns[5 : 5 + _PLAIN]):
            value = int(column[row])
            own[place] = max(own[place], value) if place == _PLAIN - 1 else own[place] + value
    return dict(sums)


def _counts(columns: Columns, array: int) -> Counter[Any]:
    """By user, kind and key: the sum of one pair of parallel arrays."""
    user, _, *kind = (column.tolist() for column in columns[:5])
    keys, numbers = columns[5 + _PLAIN + 1 + 2 * array :][:2]
    found: Counter[Any] = Counter()
    begin = 0
    for row, key in enumerate(zip(user, *kind, strict=True)):
        end = int(keys.ends[row])
        for place in range(begin, end):
            found[(*key, int(keys.values[place]))] += int(numbers.values[place])
        begin = end
    return found


def _found(folded: dict[int, cells.Cells], array: int) -> Counter[Any]:
    counts: Counter[Any] = Counter()
    for user, own in folded.items():
        for _, outbound, mms, country, of, key, number in own.counts.tolist():
            if of == array:
                letters = country.to_bytes(2, "little").rstrip(b"\0")
                counts[(user % 2**64, outbound + 1, mms + 1, letters, key)] += number
    return counts


@pytest.mark.parametrize("seed", range(20))
def test_sums_are_those_of_all_cells_of_a_kind(seed: int) -> None:
    dice = random.Random(seed)
    columns = _columns(dice, dice.choice((1, 3, 200)))
    folded = cells.folded_by_owner(columns)
    for user, own in folded.items():
        for row in range(len(own.numbers)):
            kind = own.numbers[row, 1:4].tolist()
            letters = kind[2].to_bytes(2, "little").rstrip(b"\0")
            key = (user % 2**64, kind[0] + 1, kind[1] + 1, letters)
            assert own.numbers[row, 4 + _STATUSES :].tolist() == _plain_sums(columns)[key]
    assert sum(len(own.numbers) for own in folded.values()) == len(_plain_sums(columns))
    for array in range(2):
        assert +_found(folded, array) == +_counts(columns, array)


@pytest.mark.parametrize("seed", range(20))
def test_folding_columns_is_folding_cells(seed: int) -> None:
    dice = random.Random(seed)
    columns = _columns(dice, dice.choice((1, 3, 200)), with_times=dice.random() < 0.5)
    single = cells.by_owner(columns)
    folded = cells.folded_by_owner(columns)
    assert folded.keys() == single.keys()
    for user, own in single.items():
        again = cells.folded(own)
        assert np.array_equal(again.numbers[:, 1:], folded[user].numbers[:, 1:])
        assert np.array_equal(again.counts[:, 1:], folded[user].counts[:, 1:])
        assert cells.breakdown(own) == cells.breakdown(folded[user])
        assert cells.breakdown(again) == cells.breakdown(own)


def test_every_status_has_a_place() -> None:
    (row,) = cells.breakdown(
        cells.folded(cells.by_owner(_columns(random.Random(1), 1)).popitem()[1])
    )
    assert {name.removeprefix("status_") for name in row if name.startswith("status_")} == {
        *STATUSES
    }


def test_statuses_have_their_places() -> None:
    others = _columns(random.Random(1), 1)[: 5 + _PLAIN]
    ((_, own),) = cells.by_owner([*others, _arrays([[5, 6, 7]]), *[_arrays([[]])] * 4]).items()
    (row,) = cells.breakdown(own)
    statuses = {name: count for name, count in row.items() if name.startswith("status_") and count}
    assert statuses == {"status_delivered": 5, "status_received": 6, "status_sent": 7}


def test_nothing_is_nothing() -> None:
    assert cells.by_owner([]) == cells.folded_by_owner([]) == {}
    assert cells.breakdown(cells.NONE) == []
