"""Runs the engines one after the other over the same topic: `python -m bench.engines`.

The topic is filled step by step. Each engine runs over a first part and again, from nothing, over
the whole: the difference gives what an extra million events costs, without its start. Engines that
are slow get a tenth. With `--growth` the project's own jobs run again on other topics.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence

from bench.engines import results
from bench.engines.catalogue import engines
from bench.engines.engine import Engine
from bench.engines.measure import Measurement, failed, measure
from bench.engines.traffic import Traffic
from bench.platform import Platform, running

PARTITIONS = 8
_FIRST_PART = 0.25
_OURS = ("sms-analytics",)
_GROWTH = (
    # partitions, users, workers
    (8, 1_000, 1),
    (8, 1_000, 2),
    (2, 1_000, 2),
    (32, 1_000, 2),
    (8, 10_000, 2),
    (8, 100_000, 2),
    (8, 1_000_000, 2),
)


def main() -> int:
    """Run and report; 1 if an engine's totals were wrong or it did not get through."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=4_000_000)
    arguments.add_argument("--users", type=int, default=1_000)
    arguments.add_argument("--workers", type=int, default=2, help="one a core, say")
    arguments.add_argument(
        "--only",
        nargs="*",
        default=[],
        help="engines whose names begin so; RESULTS.md stays as it is",
    )
    arguments.add_argument("--growth", type=int, default=0, help="events of each growth run")
    options = arguments.parse_args()
    done: list[Measurement] = []
    if chosen := engines(options.only):
        with running(partitions=PARTITIONS) as platform:
            traffic = Traffic(options.users, options.events)
            done += _compare(platform, chosen, traffic, options.events, options.workers)
            if not options.only:
                size = traffic.value_bytes / traffic.events
                results.write(platform, results.pairs(done), options.workers, size)
    if options.growth:
        done += _grow(options.growth)
    return 1 if any(measurement.wrong for measurement in done) else 0


def _compare(
    platform: Platform, chosen: Sequence[Engine], traffic: Traffic, events: int, workers: int
) -> Iterator[Measurement]:
    """Every engine over two sizes, the sizes in order, since a topic only grows."""
    sizes = {engine.label: _sizes(engine, events) for engine in chosen}
    for size in sorted(set().union(*sizes.values())):
        began = time.monotonic()
        traffic.fill(platform.bootstrap, size)
        print(f"{size:,} events in the topic ({time.monotonic() - began:.0f} s to make)")
        for engine in chosen:
            if size in sizes[engine.label]:
                yield _run(platform, engine, traffic, workers, PARTITIONS)


def _sizes(engine: Engine, events: int) -> tuple[int, int]:
    return round(events * engine.share * _FIRST_PART), round(events * engine.share)


def _grow(events: int) -> list[Measurement]:
    """The project's own jobs with other numbers of partitions, users and workers."""
    settings, facts = [], ""
    for partitions, users, workers in _GROWTH:
        print(f"{partitions} partitions, {users:,} users, {workers} workers")
        with running(partitions=partitions) as platform:
            facts = facts or platform.facts
            traffic = Traffic(users, events)
            traffic.fill(platform.bootstrap, events)
            found = [
                _run(platform, engine, traffic, workers, partitions) for engine in engines(_OURS)
            ]
        settings.append(results.Setting(partitions, users, workers, found))
    results.write_growth(facts, settings, events)
    return [measurement for setting in settings for measurement in setting.measurements]


def _run(
    platform: Platform, engine: Engine, traffic: Traffic, workers: int, partitions: int
) -> Measurement:
    try:
        found = measure(platform, engine, traffic, workers, partitions)
    except RuntimeError as error:
        found = failed(engine, traffic, str(error))
    million = found.events / 1e6
    print(
        f"{engine.label:28} {found.events_per_s:>10,.0f} events/s {found.took_s:6.1f} s"
        f" {found.cpu_s / million:7.2f} CPU-s/M {found.back_ends_cpu_s / million:6.2f} back ends"
        f" {found.peak_rss_mb:6.0f} MB {found.wrong or 'exact'}",
        flush=True,
    )
    return found


if __name__ == "__main__":
    sys.exit(main())
