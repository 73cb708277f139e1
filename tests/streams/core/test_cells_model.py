"""Cells that come, change, are flushed, leave and are read back, against plain dictionaries."""

from __future__ import annotations

import random

import numpy as np
import pytest

from schemas.rows import MAXIMA
from streams.core import counts
from streams.core.cells import COLUMN, WIDTH, CellTable
from tests.streams.columns import Cell, Key, cell_rows, cells_of, contents, keys_of

_MAX_COLUMNS = [COLUMN[name] for name in MAXIMA]


class Model:
    """A table, all that was ever added to it, and what of that is on disk."""

    def __init__(self, seed: int) -> None:
        self.table = CellTable({})
        self.truth: dict[Key, Cell] = {}
        self.disk: dict[Key, Cell] = {}
        self.changed: set[Key] = set()
        self.seeded = random.Random(seed)
        self.position = 0

    def add(self) -> None:
        """Fold into some cells, read back before where they may be on disk."""
        count = self.seeded.randrange(40)
        keys = list({self._any_key() for _ in range(count)})
        cold: list[Key] = self.table.cold(keys_of(keys)).tolist()
        self.table.load(cell_rows({key: self.disk[key] for key in cold if key in self.disk}))
        rows = self.table.rows_of(keys_of(keys))
        deltas = np.array(
            [[self.seeded.randrange(-5, 50) for _ in range(WIDTH)] for _ in keys], np.int64
        ).reshape(-1, WIDTH)
        last = np.arange(self.position + 1, self.position + 1 + len(keys))
        self.position += len(keys)
        self.table.add(rows, deltas, last)
        entries = [
            (kind, index, self.seeded.choice([0, 7, -(2**31)]), self.seeded.choice([-1, 1, 2]))
            for kind in range(3)
            for index in range(len(keys))
            for _ in range(self.seeded.randrange(3))
        ]
        for kind in range(3):
            some = np.array([e[1:] for e in entries if e[0] == kind], np.int64).reshape(-1, 3)
            self.table.sparse[kind].add(rows[some[:, 0]], some[:, 1], some[:, 2])
        for key, delta, position in zip(keys, deltas.tolist(), last.tolist(), strict=True):
            self._add(key, delta, position)
        for kind, index, code, more in entries:
            histogram = self.truth[keys[index]].sparse[kind]
            histogram[code] = histogram.get(code, 0) + more
            if not histogram[code]:
                del histogram[code]

    def flush(self) -> None:
        """What changed goes to the disk, all of it and nothing else."""
        rows = self.table.take_dirty()
        written = {} if rows is None else cells_of(rows)
        assert set(written) == self.changed
        self.disk |= written
        self.changed.clear()

    def evict(self) -> None:
        """The oldest buckets leave, of the last one what changed first, but for what is new."""
        keep = self.seeded.choice([0, 3, 20, 40, 60, 10_000])
        before = contents(self.table)
        dropped = self.table.evict(keep)
        left = contents(self.table)
        gone = set(before) - set(left)
        assert len(gone) == dropped
        assert set(left) < set(before) or not gone
        assert not gone & self.changed
        if len(before) <= keep:
            assert not gone
        else:
            assert len(left) <= max(keep, len(self.changed))
        if gone:
            newest = max(key[1] for key in gone)
            clean = set(left) - self.changed
            assert all(key[1] >= newest for key in clean)
            last = max(before[key].last for key in gone if key[1] == newest)
            assert all(left[key].last >= last for key in clean if key[1] == newest)
            assert self.table.hot_from_s > newest

    def check(self) -> None:
        """What is here is all there is of it; what is not here is cold if it is anywhere."""
        held = contents(self.table)
        assert held == {key: self.truth[key] for key in held}
        assert len(self.table) == len(held)
        absent = [key for key in self.truth if key not in held]
        assert all(self.truth[key] == self.disk[key] for key in absent)
        assert self.table.cold(keys_of(self.truth)).tolist() == absent

    def _any_key(self) -> Key:
        return (self.seeded.randrange(3), self.seeded.randrange(12), self.seeded.choice([0, 9]))

    def _add(self, key: Key, delta: list[int], position: int) -> None:
        before = self.truth.get(key, Cell(-1, [0] * WIDTH, [{}, {}, {}]))
        sums = [a + b for a, b in zip(before.counters, delta, strict=True)]
        for column in _MAX_COLUMNS:
            sums[column] = max(before.counters[column], delta[column])
        self.truth[key] = Cell(position, sums, before.sparse)
        self.changed.add(key)


@pytest.mark.parametrize("seed", range(6))
def test_a_table_is_its_model(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "_SMALL", [2, 20, 200][seed % 3])
    model = Model(seed)
    for _ in range(60):
        for step in model.seeded.choices([model.add, model.flush, model.evict], [4, 3, 3], k=3):
            step()
            model.check()
    assert len(model.truth) == 72
    assert len(model.table.last) == 1024  # rows were used again
