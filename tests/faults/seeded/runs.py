"""Runs seeds and says what was lost or doubled: `python -m tests.faults.seeded.runs 1-200`.

Each run is a line of JSON in `--results`; seeds that are in it already are left out, so a long
suite can be broken off and gone on with. At the end the table of `docs/faults.md` is printed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.faults.control.table import kept
from tests.faults.seeded.arena import arena
from tests.faults.seeded.run import Result, run
from tests.faults.seeded.schedule import BROKER_OUTAGE, schedule
from tests.faults.seeded.table import report, table


class Suite:
    """Seeds that are to be run, by so many at a time, and their results."""

    def __init__(self, seeds: list[int], options: argparse.Namespace) -> None:
        self._seeds = seeds
        self._options = options
        self._lock = threading.Lock()
        self._commit = _commit()

    def run(self, directory: Path) -> None:
        """Run all of them. Each job has a broker and a ClickHouse of its own."""
        with ThreadPoolExecutor(self._options.jobs) as pool:
            places = [directory / f"job-{number}" for number in range(self._options.jobs)]
            try:
                for job in [pool.submit(self._work, place) for place in places]:
                    job.result()
            finally:
                self._seeds.clear()  # Ctrl-C ends the suite after the runs that are under way

    def _work(self, directory: Path) -> None:
        directory.mkdir()
        with arena(directory) as stage:
            while (seed := self._next()) is not None:
                plan = schedule(seed, with_long=not self._options.short)
                place = directory / f"seed-{seed}"
                began = time.monotonic()
                result = run(stage, place, plan)
                self._note(result, time.monotonic() - began)
                if result.is_exact:
                    shutil.rmtree(place)
                elif self._options.keep:
                    shutil.copytree(place, self._options.keep / place.name, dirs_exist_ok=True)

    def _next(self) -> int | None:
        with self._lock:
            return self._seeds.pop(0) if self._seeds else None

    def _note(self, result: Result, took_s: float) -> None:
        line = {**asdict(result), "commit": self._commit, "took_s": round(took_s, 1)}
        outcome = "exact" if result.is_exact else f"WRONG: {result}"
        with self._lock:
            with self._options.results.open("a") as results:
                results.write(json.dumps(line) + "\n")
            print(f"seed {result.seed}: {', '.join(result.faults)}: {outcome}", flush=True)


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip()


def main() -> int:
    """Run seeds; 1 if any was not exact."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("seeds", help="FIRST-LAST")
    arguments.add_argument("--results", type=Path, default=Path("faults.ndjson"))
    arguments.add_argument("--report", type=Path, help="Markdown file to write the table to.")
    arguments.add_argument("--short", action="store_true", help="without the long faults")
    arguments.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    arguments.add_argument("--keep", type=Path, help="keep what is left of runs that were wrong")
    options = arguments.parse_args()
    first, _, last = options.seeds.partition("-")
    known = {line["seed"] for line in _lines(options.results)}
    seeds = [seed for seed in range(int(first), int(last or first) + 1) if seed not in known]
    # The outages first: they take the longest and use the machine the least.
    seeds.sort(key=lambda seed: not _has_outage(seed))
    if seeds:
        with tempfile.TemporaryDirectory(prefix="sms-faults-") as name:
            Suite(seeds, options).run(Path(name))
    done = _lines(options.results)
    print(table(done))
    if options.report:
        control = kept(options.report)
        options.report.write_text(report(done) + control)
    return int(any(line["lost"] or line["doubled"] or line["wrong"] for line in done))


def _has_outage(seed: int) -> bool:
    return any(fault.name == BROKER_OUTAGE for fault in schedule(seed, with_long=True).faults)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


if __name__ == "__main__":
    sys.exit(main())
