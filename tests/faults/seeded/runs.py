"""Runs seeds and says what was lost or doubled: `python -m tests.faults.seeded.runs 1-200`.

Each run is a line of JSON in `--results`; seeds that are in it already are left out, so a long
suite can be broken off and gone on with. At the end the table of `docs/faults.md` is printed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from deploy.local.children import Child
from schemas.settings import clickhouse_arguments
from tests.faults.control.table import kept
from tests.faults.proxy import Mode
from tests.faults.seeded import schedule as plans
from tests.faults.seeded.arena import Arena, arena
from tests.faults.seeded.crew import Crew
from tests.faults.seeded.schedule import Fault, Schedule, schedule
from tests.faults.seeded.table import report, table
from tests.faults.seeded.verdict import Verdict, verdict
from tests.oracle import ledger

_CLI = (sys.executable, "-m", "deploy.cli")
EVENTS, USERS, PARTS = 20_000, 40, 8
TRAFFIC = ["--days", "3", "--users", str(USERS), "--events", str(EVENTS), "--shuffle", "400"]
TRAFFIC += ["--duplicates", "0.05", "--poison", "0.01", "--late", "0.02", "--receipts", "0.25"]
PATIENCE_S = 150.0
_FLUSHING = {
    # Small, so that flushes, evictions and reads of cold cells are under way all the time.
    "SMS_FLUSH_INTERVAL_S": "0.2",
    "SMS_FLUSH_EVENTS": "1500",
    "SMS_MAX_PENDING_EVENTS": "6000",
    "SMS_MAX_HOT_CELLS": "3000",
    "SMS_MAX_RECENT_MESSAGES": "2000",
    "SMS_SID_FILTER_MB": "1",
    "SMS_INSERT_TIMEOUT_S": "3",
}


@dataclass(frozen=True)
class Result:
    """One run. `recovered_s` is from each fault's end until everything sent so far is durable."""

    seed: int
    workers: int
    faults: tuple[str, ...]
    deaths: int
    lost: int
    doubled: int
    wrong: tuple[str, ...]
    recovered_s: float

    @property
    def is_exact(self) -> bool:
        """Whether every number was as the oracle's."""
        return not (self.lost or self.doubled or self.wrong)


def run(stage: Arena, directory: Path, plan: Schedule, without: str = "") -> Result:
    """Send the traffic of a seed while its faults happen, wait for the end, and judge."""
    directory.mkdir()
    database = f"seed_{plan.seed}_{time.time_ns()}"
    direct, url = stage.clear(database)
    book = directory / "ledger.ndjson"
    simulate(directory, *TRAFFIC, "--seed", str(plan.seed), "--prepare", str(book))
    kafka_url = f"kafka://{stage.bootstrap}"
    environment = {"SMS_KAFKA_URL": kafka_url, "SMS_CLICKHOUSE_URL": url, **_FLUSHING}
    environment |= {"SMS_CONSUMER_GROUP": database, "SMS_TEST_WITHOUT": without}
    crew = Crew(directory, environment, plan.workers)
    try:
        sent = list(ledger.read(book))
        records = sum(entry.kind != "mapping" for entry in sent)
        with clickhouse_connect.get_client(**clickhouse_arguments(direct)) as client:
            with sending(directory, book, kafka_url):
                for fault in _in_time(plan):
                    _suffer(stage, crew, fault)
            stage.mend()
            ended = time.monotonic()
            _wait(client, records)
            found: Verdict = verdict(client, stage.bootstrap, database, sent)
            recovered = time.monotonic() - ended
        names = tuple(fault.name for fault in plan.faults)
        return Result(plan.seed, plan.workers, names, crew.deaths, *found, recovered)
    finally:
        crew.stop()
        stage.mend()
        stage.drop(database)


def simulate(directory: Path, *options: str, **environment: str) -> None:
    """Run the simulated router to its end; RuntimeError if it fails."""
    command = (*_CLI, "simulate", "--data-dir", str(directory), *options)
    child = Child("simulate", command, directory / "simulate.log", environment)
    while child.exit_status is None:
        time.sleep(0.02)
    if child.exit_status:
        raise RuntimeError(f"the router failed: {child.last_line}")


@contextmanager
def sending(directory: Path, book: Path, kafka_url: str) -> Iterator[None]:
    """Send a ledger in parts, in a thread, until the end of the block and of the ledger."""
    failures: list[Exception] = []

    def send() -> None:
        lines = book.read_bytes().splitlines(keepends=True)
        size = -(-len(lines) // PARTS)
        for number in range(PARTS):
            part = directory / f"part-{number}.ndjson"
            part.write_bytes(b"".join(lines[number * size : (number + 1) * size]))
            try:
                simulate(directory, "--replay", str(part), SMS_KAFKA_URL=kafka_url)
            except RuntimeError as error:
                failures.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    yield
    thread.join()
    if failures:
        raise failures[0]


def _in_time(plan: Schedule) -> Iterator[Fault]:
    began = time.monotonic()
    for fault in plan.faults:
        time.sleep(max(0.0, began + fault.at_s - time.monotonic()))
        yield fault


def _suffer(stage: Arena, crew: Crew, fault: Fault) -> None:
    """Let one fault begin, last and end."""
    match fault.name:
        case plans.KILL_AT_POINT:
            (crew.points / fault.point).touch()
        case plans.KILL:
            crew.kill(fault.which)
        case plans.FREEZE:
            crew.freeze(fault.which)
        case plans.CREW:
            crew.resize(1 + fault.which % 3)
        case plans.BROKER | plans.BROKER_OUTAGE:
            stage.kill_broker()
        case plans.LETTERS:
            stage.take_dead_letters("full")
        case plans.DISK:
            stage.fill_disk()
        case _:
            modes = {plans.REFUSES: Mode.REFUSES, plans.HANGS: Mode.HANGS}
            stage.proxy.become(modes.get(fault.name, Mode.LOSES_REPLIES))
    time.sleep(fault.lasts_s)
    match fault.name:
        case plans.FREEZE:
            crew.thaw(fault.which)
        case plans.CREW:
            crew.resize(1 + (fault.which + 1) % 3)
        case plans.BROKER | plans.BROKER_OUTAGE:
            stage.start_broker()
        case plans.LETTERS:
            stage.take_dead_letters("normal")
        case plans.DISK:
            stage.empty_disk()
        case _:
            stage.proxy.become(Mode.WORKS)


def _wait(client: Client, records: int) -> None:
    """Wait until everything is durable, or nothing moves any more."""
    deadline, before = time.monotonic() + PATIENCE_S, -1
    query = "SELECT sum(next_offset) FROM source_progress FINAL"
    while (durable := int(client.query(query).result_rows[0][0])) < records:
        if durable != before:
            deadline, before = time.monotonic() + PATIENCE_S, durable
        if time.monotonic() > deadline:
            return
        time.sleep(0.1)


def main() -> int:
    """Run seeds; 1 if any was not exact."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("seeds", help="FIRST-LAST")
    arguments.add_argument("--results", type=Path, default=Path("faults.ndjson"))
    arguments.add_argument("--report", type=Path, help="Markdown file to write the table to.")
    arguments.add_argument("--short", action="store_true", help="without the long faults")
    options = arguments.parse_args()
    first, _, last = options.seeds.partition("-")
    done = [json.loads(line) for line in _lines(options.results)]
    seeds = set(range(int(first), int(last or first) + 1)) - {line["seed"] for line in done}
    with tempfile.TemporaryDirectory(prefix="sms-faults-") as name, arena(Path(name)) as stage:
        for seed in sorted(seeds):
            plan = schedule(seed, with_long=not options.short)
            result = run(stage, Path(name) / f"seed-{seed}", plan)
            with options.results.open("a") as results:
                results.write(json.dumps(asdict(result)) + "\n")
            done.append(asdict(result))
            outcome = "exact" if result.is_exact else f"WRONG: {result}"
            print(f"seed {seed}: {', '.join(result.faults)}: {outcome}", flush=True)
    print(table(done))
    if options.report:
        control = kept(options.report)
        options.report.write_text(report(done) + control)
    return int(any(line["lost"] or line["doubled"] or line["wrong"] for line in done))


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    sys.exit(main())
