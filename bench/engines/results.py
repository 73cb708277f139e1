"""Writes what was measured into RESULTS.md and results.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.engines.environments import versions
from bench.engines.measure import Measurement
from bench.platform import Platform, write_section

JSON = Path(__file__).parent.with_name("results.json")
_JOB = """\
One topic of the simulated router's messages, read from its beginning by one engine after the
other, each with {workers} workers on the machine that broker and ClickHouse run on too. The job
counts messages, segments, length, processing time and delivered ones per user, 15 minutes,
direction, type and country; state is durable (a changelog, a checkpoint or a recovery store, for
this project ClickHouse) and offsets are committed, every second unless the engine knows better.
The clock runs from an engine's first record until all offsets are committed (Bytewax: until it has
ended). Then the durable state is read back and every cell is compared: "exact" means all of them.
CPU of an *extra* million events is the difference between two runs, the smaller a quarter of the
larger, so that starting and warming up is left out; back ends are broker and ClickHouse. Events
have {bytes:.0f} bytes on average. Stock Faust had a tenth of the events. Every engine but this
project's and Flink promises "at least once" here: after a failure it may count twice.
"""
_HEAD = """\
| engine | events/s | this project is | CPU-s per million | per extra million | back ends, extra | \
peak memory | totals |
|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Pair:
    """An engine's run over the first part and its run over everything."""

    small: Measurement
    large: Measurement

    @property
    def is_right(self) -> bool:
        """Whether both came through with exact totals."""
        return not (self.small.wrong or self.large.wrong)

    def extra(self, what: str) -> float:
        """CPU seconds of an extra million events."""
        more = getattr(self.large, what) - getattr(self.small, what)
        return float(more / (self.large.events - self.small.events) * 1e6)


def pairs(measurements: Iterable[Measurement]) -> list[Pair]:
    """The two runs of each engine."""
    by_engine: dict[str, list[Measurement]] = {}
    for measurement in measurements:
        by_engine.setdefault(measurement.engine.label, []).append(measurement)
    return [Pair(*runs) for runs in by_engine.values() if len(runs) == 2]


def write(platform: Platform, found: Sequence[Pair], workers: int, value_bytes: float) -> None:
    """The table of all engines, and the same as JSON."""
    core = next((p for p in found if p.large.engine.label == "sms-analytics"), None)
    rows = "".join(_row(pair, core) for pair in found)
    job = _JOB.format(workers=workers, bytes=value_bytes)
    tools = ", ".join(versions())
    write_section("Engines", f"{platform.facts}; {tools}\n\n{job}\n{_HEAD}{rows}")
    entries = [_entry(pair) for pair in found]
    JSON.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


def _row(pair: Pair, core: Pair | None) -> str:
    large = pair.large
    if not large.took_s:
        return f"| {large.engine.label} | – | – | – | – | – | – | {large.wrong} |\n"
    ratio = "–"
    if core and core.is_right and pair.is_right and large.engine.job == "core" and pair != core:
        ratio = f"{core.large.events_per_s / large.events_per_s:.2f} times as fast"
    totals = "read only" if large.engine.cells is None else large.wrong or "exact"
    return (
        f"| {large.engine.label} | {large.events_per_s:,.0f} | {ratio}"
        f" | {large.cpu_s / large.events * 1e6:.2f} | {pair.extra('cpu_s'):.2f}"
        f" | {pair.extra('back_ends_cpu_s'):.2f} | {large.peak_rss_mb:,.0f} MB | {totals} |\n"
    )


def _entry(pair: Pair) -> dict[str, object]:
    large = pair.large
    return {
        "name": large.engine.name,
        "job": large.engine.job,
        "events": large.events,
        "events_per_s": round(large.events_per_s),
        "cpu_s_per_million": round(large.cpu_s / large.events * 1e6, 2),
        "cpu_s_per_extra_million": round(pair.extra("cpu_s"), 2),
        "back_ends_cpu_s_per_extra_million": round(pair.extra("back_ends_cpu_s"), 2),
        "peak_rss_mb": round(large.peak_rss_mb),
        "exact": pair.is_right,
    }


@dataclass(frozen=True)
class Setting:
    """One point of the growth table."""

    partitions: int
    users: int
    workers: int
    measurements: Sequence[Measurement]


def write_growth(facts: str, settings: Sequence[Setting], events: int) -> None:
    """How the project's own jobs change with partitions, users and workers."""
    labels = [measurement.engine.label for measurement in settings[0].measurements]
    head = "".join(f" {label}: events/s | CPU-s per million | peak memory |" for label in labels)
    text = f"{facts}\n\n{events:,} events each, all totals exact unless said.\n\n"
    text += f"| partitions | users | workers |{head}\n|{'---|' * (3 + 3 * len(labels))}\n"
    for setting in settings:
        text += f"| {setting.partitions} | {setting.users:,} | {setting.workers} |"
        for found in setting.measurements:
            text += f" {found.wrong or format(found.events_per_s, ',.0f')} |"
            text += f" {found.cpu_s / found.events * 1e6:.2f} | {found.peak_rss_mb:,.0f} MB |"
        text += "\n"
    write_section("Growth", text)
