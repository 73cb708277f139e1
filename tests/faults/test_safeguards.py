"""The suite's own test: with a safeguard switched off it has to fail, by what that lets through."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.seeded import schedule as plans
from tests.faults.seeded.arena import Arena, arena
from tests.faults.seeded.run import Result, run
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


def _lacks_messages(result: Result) -> bool:
    return any(line.startswith("message: None is not") for line in result.wrong)


def _has_wrong_cells(result: Result) -> bool:
    return any(line.startswith("user_usage_15m") for line in result.wrong)


_SEEN_BY: dict[str, Callable[[Result], bool]] = {
    "position guard": lambda result: result.doubled > 0,
    "order of durability": lambda result: result.lost > 0 and _lacks_messages(result),
    "contiguity": lambda result: result.lost > 0 and _lacks_messages(result),
    "cold read": lambda result: not _lacks_messages(result) and _has_wrong_cells(result),
    "unwritten rows": _lacks_messages,
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
    result = run(stage, tmp_path / "run", plan, without=safeguard)
    assert not result.is_exact
    assert _SEEN_BY[safeguard](result), result


@pytest.mark.parametrize("without", ["", "every chunk"])
def test_with_all_of_them_nothing_is(stage: Arena, without: str, tmp_path: Path) -> None:
    """Nor when the reader loses chunks, which is seen."""
    faults = () if without else _FAULTS["position guard"] + _FAULTS["order of durability"]
    result = run(stage, tmp_path / "run", Schedule(1, 1, faults), without)
    assert result.is_exact, result
    assert result.deaths > 0
