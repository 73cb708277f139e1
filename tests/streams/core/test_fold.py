"""The fold against a naive one over dictionaries, in any grouping, and with replays."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from schemas.histogram import bin_of
from schemas.rows import (
    CELL_TABLES,
    COUNTERS,
    DIRECTIONS,
    MESSAGE_TYPES,
    SYSTEM_1M,
    SYSTEM_TOTALS_15M,
    USER_TABLES,
    WIDTH_MS,
)
from schemas.units import position
from streams.core.cells import CellTable, combination_parts
from streams.core.fold import bins_of
from streams.core.shapes import country_text
from tests.streams.columns import cell_rows, contents, empty_tables, fold_messages
from tests.streams.samples import NOON_MS, Message, any_message, message

_HOUR_MS = 3_600_000
NO_KIND = ("sms", country_text(0))
Record = tuple[Message, int]
"""A message and its record's timestamp in ms."""


class Naive:
    """Cells of one table as dictionaries, an addition a counter and message."""

    def __init__(self, table: str) -> None:
        self._table = table
        self.cells: dict[tuple[Any, ...], dict[str, int]] = {}
        self.histograms: dict[tuple[Any, ...], tuple[Counter[int], Counter[int]]] = {}
        self.last: dict[tuple[Any, ...], int] = {}

    def fold(self, message: Message, record_ms: int) -> None:
        bucket = message.occurred_ms // WIDTH_MS[self._table] * WIDTH_MS[self._table]
        is_user = self._table in USER_TABLES
        if is_user and message.user_id == 0:
            return
        if self._table == SYSTEM_1M and bucket < record_ms - 48 * _HOUR_MS:
            return
        user = message.user_id if is_user else 0
        kind = (message.message_type, message.country)
        if self._table == SYSTEM_TOTALS_15M:
            kind = NO_KIND
        key = (user, bucket, message.direction, *kind)
        if message.position <= self.last.get(key, -1):
            return
        self.last[key] = message.position
        cell = self.cells.setdefault(key, dict.fromkeys(COUNTERS, 0))
        codes, bins = self.histograms.setdefault(key, (Counter(), Counter()))
        cell["messages"] += 1
        cell[f"status_{message.status}"] += 1
        for name in ("segments", "body_length", "base_micros", "carrier_fee_micros"):
            cell[name] += getattr(message, name)
        for name in ("failed_fee_micros", "provisional_micros"):
            cell[name] += getattr(message, name)
        for name in ("gsm_saved_segments", "trimmed_saved_segments"):
            cell[name] += getattr(message, name)
        if message.encoding == "UCS-2":
            cell["ucs2_messages"] += 1
        if message.error_code is not None:
            codes[message.error_code] += 1
        if message.processing_us is not None:
            cell["processing_count"] += 1
            cell["processing_sum_us"] += message.processing_us
            cell["processing_max_us"] = max(cell["processing_max_us"], message.processing_us)
            bins[bin_of(message.processing_us)] += 1


def _naive(records: Sequence[Record]) -> dict[str, Any]:
    tables = {name: Naive(name) for name in CELL_TABLES}
    for message_, record_ms in records:
        for table in tables.values():
            table.fold(message_, record_ms)
    return {
        name: {
            key: (cell, *map(dict, table.histograms[key]), {}, table.last[key])
            for key, cell in table.cells.items()
        }
        for name, table in tables.items()
    }


def _fold(tables: dict[str, CellTable], records: Sequence[Record]) -> None:
    fold_messages(tables, [message for message, _ in records], [at_ms for _, at_ms in records])


def _contents(tables: dict[str, CellTable]) -> dict[str, Any]:
    """Every cell by table and key: counters, histograms, last position."""
    directions = {code: name for name, code in DIRECTIONS.items()}
    types = {code: name for name, code in MESSAGE_TYPES.items()}
    found: dict[str, Any] = {name: {} for name in tables}
    for name, table in tables.items():
        for (user, bucket_s, code), cell in contents(table).items():
            direction, message_type, country = combination_parts(code)
            texts = (directions[direction], types[message_type], country_text(country))
            counters = dict(zip(COUNTERS, cell.counters, strict=True))
            found[name][(user, bucket_s * 1000, *texts)] = (counters, *cell.sparse, cell.last)
    return found


def _records(seed: int, count: int) -> list[Record]:
    seeded = random.Random(seed)
    places = [position(1, offset) for offset in sorted(seeded.sample(range(10**6), count))]
    return [(any_message(seeded, place), NOON_MS) for place in places]


def _batches(seeded: random.Random, records: Sequence[Record], largest: int) -> list[Any]:
    batches, start = [], 0
    while start < len(records):
        end = start + seeded.randint(1, largest)
        batches.append(records[start:end])
        start = end
    return batches


@pytest.mark.parametrize("largest", [1, 10, 300, 5000])
@pytest.mark.parametrize("seed", range(3))
def test_any_grouping_equals_the_naive_fold(seed: int, largest: int) -> None:
    records = _records(seed, 400 if largest == 1 else 1500)
    tables = empty_tables()
    for batch in _batches(random.Random(seed), records, largest):
        _fold(tables, batch)
    assert _contents(tables) == _naive(records)


def test_nothing_folds_to_nothing() -> None:
    tables = empty_tables()
    _fold(tables, [])
    assert _contents(tables) == {name: {} for name in CELL_TABLES}


@pytest.mark.parametrize("seed", range(5))
def test_a_replay_from_anywhere_changes_nothing(seed: int) -> None:
    records = _records(seed, 600)
    tables = empty_tables()
    _fold(tables, records)
    before = _contents(tables)
    seeded = random.Random(seed)
    for batch in _batches(seeded, records[seeded.randrange(len(records)) :], 100):
        _fold(tables, batch)
    assert _contents(tables) == before


@pytest.mark.parametrize(
    "is_durable",
    [
        pytest.param(lambda name: True, id="all"),
        pytest.param(lambda name: name in USER_TABLES, id="users"),
        pytest.param(lambda name: name not in USER_TABLES, id="system"),
        *[pytest.param(lambda name, one=one: name == one, id=f"only-{one}") for one in CELL_TABLES],
        *[
            pytest.param(lambda name, one=one: name != one, id=f"all-but-{one}")
            for one in CELL_TABLES
        ],
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_stale_and_fresh_in_one_batch(seed: int, is_durable: Callable[[str], bool]) -> None:
    # A worker died between the tables of a flush: some hold the first part of the log, others
    # less of it. The next one reads over the end of that part in one batch.
    records = _records(seed, 400)
    seeded = random.Random(seed)
    written = seeded.randrange(100, 400)
    earlier, later = empty_tables(), empty_tables()
    durable = seeded.randrange(written)
    _fold(earlier, records[:durable])
    _fold(later, records[:written])
    tables = {name: (later if is_durable(name) else earlier)[name] for name in CELL_TABLES}
    for batch in _batches(seeded, records[durable:], 400):
        _fold(tables, batch)
    assert _contents(tables) == _naive(records)


@pytest.mark.parametrize("seed", range(3))
def test_single_cells_ahead_of_the_replay(seed: int) -> None:
    # Cells are rows of their own: any of them may hold more of the log than its neighbours.
    records = _records(seed, 400)
    seeded = random.Random(seed)
    tables, ahead = empty_tables(), empty_tables()
    _fold(tables, records[:100])
    _fold(ahead, records[:300])
    for name, table in list(tables.items()):
        further, here = contents(ahead[name]), contents(table)
        chosen = {key: cell for key, cell in further.items() if seeded.random() < 0.5}
        tables[name] = CellTable({})
        tables[name].load(cell_rows(here | chosen))
    _fold(tables, records[100:])
    assert _contents(tables) == _naive(records)


def test_user_0_has_no_user_cells() -> None:
    tables = empty_tables()
    _fold(tables, [(message(user_id=0), NOON_MS)])
    assert {name: len(table) for name, table in tables.items()} == {
        name: 0 if name in USER_TABLES else 1 for name in CELL_TABLES
    }


@pytest.mark.parametrize(
    ("late_ms", "minutes"), [(0, 1), (48 * _HOUR_MS, 1), (48 * _HOUR_MS + 60_000, 0)]
)
def test_minutes_older_than_48_h_are_not_kept(late_ms: int, minutes: int) -> None:
    tables = empty_tables()
    _fold(tables, [(message(), NOON_MS + late_ms)])
    assert len(tables[SYSTEM_1M]) == minutes


def test_dirty_are_the_cells_that_changed() -> None:
    records = _records(1, 50)
    tables = empty_tables()
    _fold(tables, records[:40])
    for table in tables.values():
        copied = table.take_dirty()
        assert copied is not None
        assert len(copied.keys) == len(table)
    _fold(tables, records[:40])
    assert [table.take_dirty() for table in tables.values()] == [None] * len(tables)
    _fold(tables, [(message("SM", position=position(1, 10**6)), NOON_MS)])
    changed = [table.take_dirty() for table in tables.values()]
    assert [None if rows is None else len(rows.keys) for rows in changed] == [1] * len(tables)


def test_bins_are_the_histograms() -> None:
    seeded = random.Random(1)
    edges = [(1 << power) + near for power in range(54) for near in (-1, 0, 1)]
    spread = [seeded.randrange(1 << seeded.randrange(1, 54)) for _ in range(20_000)]
    values = [value for value in (*edges, *range(1000), *spread) if value <= 2**53]
    assert bins_of(np.array(values)).tolist() == [bin_of(value) for value in values]
    assert bins_of(np.zeros(0, np.int64)).tolist() == []
