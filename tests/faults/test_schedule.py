"""Seeds 1 to 200 have every fault, and every point of a flush, often enough."""

from __future__ import annotations

from collections import Counter

from tests.faults.seeded.schedule import FREEZE, KILL_AT_POINT, LONG, SHORT, schedule
from tests.faults.seeded.worker import FLUSHING, POINTS

_PLANS = [schedule(seed, with_long=True) for seed in range(1, 201)]
_AT_LEAST = 10


def _points(fault: str) -> Counter[str]:
    faults = (each for plan in _PLANS for each in plan.faults)
    return Counter(point for each in faults if each.name == fault for point in each.points)


def test_every_fault_comes_in_ten_runs_at_least() -> None:
    runs = Counter(name for plan in _PLANS for name in {fault.name for fault in plan.faults})
    assert runs.keys() == {*SHORT, *LONG}
    assert min(runs.values()) >= _AT_LEAST


def test_a_worker_is_killed_at_every_point_ten_times_at_least() -> None:
    killed = _points(KILL_AT_POINT)
    assert killed.keys() == set(POINTS)
    assert min(killed.values()) >= _AT_LEAST


def test_a_worker_freezes_at_every_point_of_a_flush() -> None:
    assert _points(FREEZE).keys() == set(FLUSHING)


def test_many_runs_have_several_workers() -> None:
    assert sum(plan.workers > 1 for plan in _PLANS) >= 20


def test_a_seed_is_a_schedule() -> None:
    assert [schedule(seed, with_long=True) for seed in range(1, 201)] == _PLANS
    assert len({plan.faults for plan in _PLANS}) == len(_PLANS)
