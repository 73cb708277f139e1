"""The benchmark of engines: what an event means there, and how totals and costs are judged."""

from __future__ import annotations

import json
import runpy

import msgspec
import pytest

from bench.engines.engine import PROGRAMS, Engine
from bench.engines.measure import Measurement, difference
from bench.engines.results import Pair, pairs
from bench.engines.traffic import Cells, Traffic
from schemas.events import UsageEvent

COUNT = 3_000


@pytest.fixture(scope="module")
def values() -> list[bytes]:
    return [value for _, value in Traffic(users=20, most_events=COUNT).draw(COUNT)]


def test_the_traffic_follows_the_contract(values: list[bytes]) -> None:
    events = [msgspec.json.decode(value, type=UsageEvent) for value in values]
    assert len({event.message_sid for event in events}) == COUNT
    assert all(event.user_id for event in events)


def test_the_programs_count_as_the_harness_does(values: list[bytes]) -> None:
    program = runpy.run_path(str(PROGRAMS / "usage_event.py"))
    traffic = Traffic(users=20, most_events=COUNT)
    cells: dict[str, list[int]] = {}
    for value in values:
        event = json.loads(value)
        program["add"](cells.setdefault(program["cell_of"](event), [0] * 6), event)
        traffic.fold(value)
    assert {cell: tuple(counters) for cell, counters in cells.items()} == traffic.cells
    totals = [sum(counters[number] for counters in cells.values()) for number in range(6)]
    assert totals[0] == COUNT
    assert COUNT < totals[1] < 10 * COUNT
    assert 0 < totals[5] < totals[4] < COUNT


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"a": (2, 3), "b": (1, 1)}, ""),
        ({"a": (2, 3)}, "-1 of 3 messages; 1 cells differ, 0 are extra"),
        ({"a": (2, 4), "b": (1, 1)}, "+0 of 3 messages; 1 cells differ, 0 are extra"),
        ({"a": (2, 3), "b": (1, 1), "c": (1, 1)}, "+1 of 3 messages; 0 cells differ, 1 are extra"),
    ],
)
def test_totals_are_compared_cell_by_cell(found: Cells, said: str) -> None:
    assert difference(found, {"a": (2, 3), "b": (1, 1)}) == said


def test_the_cost_of_an_extra_million_leaves_the_start_out() -> None:
    engine = Engine("slow", "core", lambda _: [])
    runs = [Measurement(engine, events, 1.0, cpu, 0.0, 10.0) for events, cpu in RUNS]
    (pair,) = pairs(runs)
    assert pair == Pair(*runs)
    assert pair.extra("cpu_s") == pytest.approx(4.0)


RUNS = [(500_000, 5.0), (1_500_000, 9.0)]
