"""What an engine is to the benchmark: commands to start, how to see that it is done, and how to
read what it made durable."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.engines.traffic import Cells
from bench.platform import Platform

Job = Literal["core", "whole", "ceiling"]

_BEGAN = re.compile(r"^first record at (\d+)$", re.MULTILINE)
PROGRAMS = Path(__file__).with_name("programs")


@dataclass(frozen=True)
class Run:
    """One engine at work: its names on the broker, its directory, its processes."""

    platform: Platform
    group: str
    directory: Path
    workers: int
    partitions: int

    @property
    def state(self) -> Path:
        """Where the engine may keep its state."""
        return self.directory / "state"

    def log(self, number: int) -> Path:
        """Where process `number` writes."""
        return self.directory / f"{number}.log"

    @property
    def output(self) -> str:
        """All that its processes have written."""
        logs = sorted(self.directory.glob("*.log"))
        return "\n".join(log.read_text(errors="replace") for log in logs)


Command = Sequence[str]


def first_record(output: str) -> float | None:
    """When an engine read its first record (epoch seconds), by the line that programs write."""
    times = [int(at) / 1000 for at in _BEGAN.findall(output)]
    return min(times, default=None)


def _nothing(_: Run) -> None:
    pass


@dataclass(frozen=True)
class Engine:
    """How to run one engine.

    `commands` are its processes; `environment` what they need beyond what every engine is told.
    `cells` reads what is durable once it is stopped, None for a ceiling. An engine that `ends` is
    done when its processes are; any other when its group's committed offsets are the log's ends.
    `share` is of the events: slow engines get fewer.
    """

    name: str
    job: Job
    commands: Callable[[Run], Sequence[Command]]
    cells: Callable[[Run], Cells] | None = None
    environment: Callable[[Run], dict[str, str]] = field(default=lambda _: {})
    began: Callable[[str], float | None] = first_record
    prepare: Callable[[Run], None] = _nothing
    clean: Callable[[Run], None] = _nothing
    ends: bool = False
    share: float = 1.0

    @property
    def label(self) -> str:
        """How it is called where an engine does more than one job."""
        return self.name if self.job != "whole" else f"{self.name}, whole job"
