"""The suite's own test: with a safeguard switched off it has to fail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.seeded import schedule as plans
from tests.faults.seeded.arena import Arena, arena
from tests.faults.seeded.run import run
from tests.faults.seeded.schedule import Fault, Schedule

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif("SMS_TEST_LONG" not in os.environ, reason="minutes: `make faults` runs it"),
]


def _killed_at(*points: str) -> tuple[Fault, ...]:
    return tuple(
        Fault(plans.KILL_AT_POINT, 1.0 + 1.5 * number, 0.0, 0, (point,))
        for number, point in enumerate(points)
    )


_FAULTS = {
    "position guard": _killed_at("after system_usage_1d", "before source_progress"),
    "order of durability": _killed_at("before usage_log", "before user_usage_15m"),
    "contiguity": (),
    "cold read": (),
    "unwritten rows": (),
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with arena(tmp_path_factory.mktemp("arena")) as made:
        yield made


@pytest.mark.parametrize("safeguard", _FAULTS)
def test_without_a_safeguard_something_is_wrong(
    stage: Arena, safeguard: str, tmp_path: Path
) -> None:
    plan = Schedule(1, 1, _FAULTS[safeguard])
    assert not run(stage, tmp_path / "run", plan, without=safeguard).is_exact


@pytest.mark.parametrize("without", ["", "every chunk"])
def test_with_all_of_them_nothing_is(stage: Arena, without: str, tmp_path: Path) -> None:
    """Nor when the reader loses chunks, which is seen."""
    faults = () if without else _FAULTS["position guard"] + _FAULTS["order of durability"]
    result = run(stage, tmp_path / "run", Schedule(1, 1, faults), without)
    assert result.is_exact, result
    assert result.deaths > 0
