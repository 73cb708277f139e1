"""Some seeds of the fault runs; all of them are `make faults`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.seeded.arena import Arena, arena
from tests.faults.seeded.run import run
from tests.faults.seeded.schedule import schedule

pytestmark = pytest.mark.live

SEEDS = (2, 3, 6, 7, 8)
"""Of workers added and removed, a broker's restart, lost replies, dead letters, a full disk."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with arena(tmp_path_factory.mktemp("arena")) as made:
        yield made


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_or_doubled(stage: Arena, seed: int, tmp_path: Path) -> None:
    result = run(stage, tmp_path / "run", schedule(seed, with_long=False))
    assert result.is_exact, result
