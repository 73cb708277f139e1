"""What a run sends and when; the clock is a list of moments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice

import pytest

from deploy.simulate.population import populate
from deploy.simulate.records import Record
from deploy.simulate.router import Router, Shares
from deploy.simulate.run import Groups, Run, again, limited, live

NOW_MS = 1_795_000_000_000
POPULATION = populate(1, 50)


def flat(batches: Iterator[Groups]) -> list[Record]:
    return [record for groups in batches for group in groups for record in group]


def test_history_begins_with_mappings_and_ends_before_now() -> None:
    records = flat(Run(seed=1, users=100, shares=Shares(), days=2, events=1_000).batches(NOW_MS))
    mappings = [record for record in records if record.kind == "mapping"]
    assert records[: len(mappings)] == mappings
    assert len(records) == len(mappings) + 1_000
    times = [
        json.loads(r.value or "")["occurred_at"] for r in records if str(r.value).endswith('Z"}')
    ]
    utc = [time for time in times if len(time) == len("2026-11-17T13:47:28.087Z")]
    assert "2026-11-16T08:26:40" <= utc[0] <= utc[-1] < "2026-11-18T11:06:40"
    assert utc == sorted(utc)


def test_disorder_keeps_every_record() -> None:
    tidy = Run(seed=1, users=50, shares=Shares(duplicates=0.1, poison=0.1), days=1, events=3_000)
    messy = Run(**(vars(tidy) | {"shuffle": 500}))
    in_order, shuffled = flat(tidy.batches(NOW_MS)), flat(messy.batches(NOW_MS))
    assert in_order != shuffled
    assert sorted(map(repr, in_order)) == sorted(map(repr, shuffled))


def test_live_traffic_keeps_its_pace_and_catches_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    moments = iter([100.0, 100.0, 100.5, 100.52, 103.0])
    router = Router(1, POPULATION, Shares(), 100_000)
    batches = live(router, rate=20, clock=lambda: next(moments))
    assert [sum(map(len, groups)) for groups in islice(batches, 4)] == [
        0,
        10,
        0,
        50,
    ]


def test_live_events_occur_between_one_look_at_the_clock_and_the_next() -> None:
    moments = iter([1_795_000_000.0, 1_795_000_001.0])
    router = Router(1, POPULATION, Shares(), NOW_MS)
    records = flat(iter([next(live(router, rate=500, clock=lambda: next(moments)))]))
    plain = [str(r.value) for r in records if str(r.value).endswith('Z"}')]
    assert len(plain) > 400
    assert all('"occurred_at":"2026-11-18T11:06:40.' in value for value in plain)


@pytest.mark.parametrize("count", [1, 5, 7])
def test_limited_stops_at_the_record(count: int) -> None:
    a, b, c = (Record(key, "", "message") for key in "abc")
    endless: Iterator[Groups] = iter([[[a], [b, c]]] * 5)
    assert len(flat(limited(endless, count))) == count


def test_again_keeps_order_and_mappings_apart() -> None:
    mapping, message = Record("+4915", "", "mapping"), Record("1", "", "message")
    batches = list(again([mapping, mapping, message, mapping, message]))
    assert batches == [[[mapping, mapping]], [[message]], [[mapping]], [[message]]]
