"""Runs one engine over the topic and says what it took, and whether its totals were right."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass
from functools import partial

from confluent_kafka import Consumer, KafkaException, TopicPartition

from bench.engines import processes
from bench.engines.engine import Engine, Run
from bench.engines.traffic import Cells, Traffic
from bench.platform import Platform, cpu_s
from deploy.local.children import Child, stop_all
from schemas.topics import USAGE

_ASK_EVERY_S = 0.1
_LOOK_EVERY = 3
_PATIENCE_S = 420.0
_ASK_WITHIN_S = 10.0
_TAIL = 2000
_STOP_WITHIN_S = 15.0


@dataclass(frozen=True)
class Measurement:
    """One run. `took_s` is from the first record read until all is durable and committed; CPU of
    the engine is from its start, that of broker and ClickHouse from there until the end.
    `wrong` says what its totals lack, empty if they are exact."""

    engine: Engine
    events: int
    took_s: float
    cpu_s: float
    back_ends_cpu_s: float
    peak_rss_mb: float
    wrong: str = ""

    @property
    def events_per_s(self) -> float:
        """Speed, 0 when it was not seen."""
        return self.events / self.took_s if self.took_s else 0.0


def measure(
    platform: Platform, engine: Engine, traffic: Traffic, workers: int, partitions: int
) -> Measurement:
    """Run an engine over all that is in the topic."""
    directory = platform.directory / "engine"
    group = f"bench-{engine.label}-{time.time_ns()}".replace(",", "").replace(" ", "-").lower()
    run = Run(platform, group, directory, workers, partitions)
    run.state.mkdir(parents=True)
    try:
        engine.prepare(run)
        return _measure(run, engine, traffic)
    except Exception:
        print(run.output[-_TAIL:], file=sys.stderr)
        raise
    finally:
        engine.clean(run)
        shutil.rmtree(directory)


def failed(engine: Engine, traffic: Traffic, why: str) -> Measurement:
    """A run that came to nothing."""
    return Measurement(engine, traffic.events, 0, 0, 0, 0, why)


def _measure(run: Run, engine: Engine, traffic: Traffic) -> Measurement:
    back_ends = [run.platform.children[name].pid for name in ("broker", "ClickHouse")]
    before = sum(map(cpu_s, back_ends))
    committed = _Committed(run.platform.bootstrap, run.group)
    reaped = processes.reaped_cpu_s()
    children = _start(run, engine)
    pids = [child.pid for child in children]
    is_done = partial(_has_ended, children) if engine.ends else committed
    peak = 0.0
    deadline, asked = time.monotonic() + _PATIENCE_S, 0
    try:
        while not is_done():
            _look_after(run, engine, children, deadline)
            if asked % _LOOK_EVERY == 0:
                alive = processes.tree(pids)
                peak = max(peak, processes.rss_mb(alive))
            asked += 1
            time.sleep(_ASK_EVERY_S)
        ended = time.time()
        used = processes.cpu_s(processes.tree(pids)) + processes.reaped_cpu_s() - reaped
        after = sum(map(cpu_s, back_ends))
    finally:
        committed.close()
        stop_all(children, _STOP_WITHIN_S)
    began = engine.began(run.output)
    if began is None:
        raise RuntimeError(f"{engine.name} did not say when it began: {children[0].last_line}")
    wrong = difference(engine.cells(run), traffic.cells) if engine.cells else ""
    return Measurement(
        engine,
        traffic.events,
        ended - began,
        used,
        after - before,
        peak,
        wrong,
    )


def _start(run: Run, engine: Engine) -> list[Child]:
    shared = {
        "BENCH_BOOTSTRAP": run.platform.bootstrap,
        "BENCH_TOPIC": USAGE,
        "BENCH_GROUP": run.group,
        "BENCH_STATE": str(run.state),
        "BENCH_WORKERS": str(run.workers),
        "BENCH_PARTITIONS": str(run.partitions),
    }
    own = engine.environment(run)
    return [
        Child(engine.name, command, run.log(number), shared | {"BENCH_WORKER": str(number)} | own)
        for number, command in enumerate(engine.commands(run))
    ]


def _look_after(run: Run, engine: Engine, children: list[Child], deadline: float) -> None:
    for child in children:
        if child.exit_status and not engine.ends:
            raise RuntimeError(f"{engine.name} ended: {child.last_line}")
    if time.monotonic() > deadline:
        raise RuntimeError(f"{engine.name} is not done after {_PATIENCE_S:.0f} s")


def _has_ended(children: list[Child]) -> bool:
    for child in children:
        if child.exit_status:
            raise RuntimeError(f"{child.name} ended with {child.exit_status}: {child.last_line}")
    return all(child.exit_status == 0 for child in children)


class _Committed:
    """Whether a group has committed the ends of the usage topic's partitions."""

    def __init__(self, bootstrap: str, group: str) -> None:
        settings = {"bootstrap.servers": bootstrap, "group.id": group, "log_level": 0}
        self._consumer = Consumer(settings)  # asks, and never joins
        numbers = self._consumer.list_topics(USAGE, timeout=_ASK_WITHIN_S).topics[USAGE].partitions
        self._asked = [TopicPartition(USAGE, number) for number in numbers]
        self._ends = [
            self._consumer.get_watermark_offsets(asked, _ASK_WITHIN_S)[1] for asked in self._asked
        ]

    def __call__(self) -> bool:
        try:
            found = self._consumer.committed(self._asked, timeout=_ASK_WITHIN_S)
        except KafkaException:  # the group is not there yet
            return False
        return [max(place.offset, 0) for place in found] == self._ends

    def close(self) -> None:
        self._consumer.close()


def difference(found: Cells, expected: Cells) -> str:
    """How totals differ from what they should be, empty if they do not."""
    differ = sum(found.get(cell) != counters for cell, counters in expected.items())
    extra = len(found.keys() - expected.keys())
    if not differ and not extra:
        return ""
    got = sum(counters[0] for counters in found.values())
    sent = sum(counters[0] for counters in expected.values())
    return f"{got - sent:+,} of {sent:,} messages; {differ:,} cells differ, {extra:,} are extra"
