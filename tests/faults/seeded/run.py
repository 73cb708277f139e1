"""One run: traffic while faults happen, a wait for the end, and the verdict."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, SIGSTOP

import clickhouse_connect

from schemas.settings import clickhouse_arguments
from tests.faults.proxy import Mode
from tests.faults.seeded import schedule as plans
from tests.faults.seeded.arena import Arena
from tests.faults.seeded.crew import Crew
from tests.faults.seeded.router import TRAFFIC, Router, simulate
from tests.faults.seeded.schedule import Fault, Schedule
from tests.faults.seeded.verdict import Verdict, verdict
from tests.faults.seeded.watch import Watch
from tests.oracle import ledger

_SHORTEST_S = 6.0
_POINT_WITHIN_S = 30.0
_FLUSHING = {
    # Small, so that flushes, evictions and reads of cold cells are under way all the time.
    "SMS_FLUSH_INTERVAL_S": "0.2",
    "SMS_FLUSH_EVENTS": "1500",
    "SMS_MAX_PENDING_EVENTS": "6000",
    "SMS_MAX_HOT_CELLS": "3000",
    "SMS_MAX_RECENT_MESSAGES": "2000",
    "SMS_SID_FILTER_MB": "1",
    "SMS_INSERT_TIMEOUT_S": "3",
    "SMS_SESSION_TIMEOUT_S": str(plans.SESSION_S),
}


@dataclass(frozen=True)
class Result:
    """One run. `points` are those at which a worker killed itself, or froze and woke up again;
    `recovered` is, for each fault, the time from its end until all that had been sent by then
    was durable."""

    seed: int
    workers: int
    faults: tuple[str, ...]
    points: tuple[str, ...]
    deaths: int
    lost: int
    doubled: int
    wrong: tuple[str, ...]
    recovered: tuple[tuple[str, float], ...]

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
    environment = {"SMS_KAFKA_URL": f"kafka://{stage.bootstrap}", "SMS_CLICKHOUSE_URL": url}
    environment |= {"SMS_CONSUMER_GROUP": database, "SMS_TEST_WITHOUT": without, **_FLUSHING}
    router = Router(book, stage.bootstrap)
    router.send_mappings()
    crew = Crew(directory, environment, plan.workers)
    suffering = _Suffering(stage, crew, router)
    try:
        with Watch(direct, stage.bootstrap, database) as watch:
            with router.sending(max(_SHORTEST_S, plan.lasts_s)):
                for fault in _in_time(plan):
                    suffering.suffer(fault, watch)
            stage.mend()
            watch.wait(router.events)
        sent = list(ledger.read(book))
        with clickhouse_connect.get_client(**clickhouse_arguments(direct)) as client:
            found = verdict(client, direct, stage.bootstrap, sent, plan.seed)
        found = found._replace(wrong=(*found.wrong, *watch.ahead[:5]))
    except Exception as error:  # a run that breaks off is a result too
        found = Verdict(0, 0, (f"the run broke off: {type(error).__name__}: {error}"[:2000],))
    finally:
        crew.stop()
        stage.mend()
        stage.drop(database)
    names = tuple(fault.name for fault in plan.faults if fault.name not in suffering.left_out)
    recovered = tuple(watch.recovered)
    points = tuple(suffering.points)
    return Result(plan.seed, plan.workers, names, points, crew.deaths, *found, recovered)


def _in_time(plan: Schedule) -> Iterator[Fault]:
    began = time.monotonic()
    for fault in plan.faults:
        time.sleep(max(0.0, began + fault.at_s - time.monotonic()))
        yield fault


class _Suffering:
    """Lets faults happen; `left_out` are those that this machine cannot have."""

    def __init__(self, stage: Arena, crew: Crew, router: Router) -> None:
        self.points: list[str] = []
        self.left_out: set[str] = set()
        self._stage = stage
        self._crew = crew
        self._router = router

    def suffer(self, fault: Fault, watch: Watch) -> None:
        """Let one fault begin, last and end."""
        if fault.name == plans.DISK and not self._stage.disk.can_be_full:
            self.left_out.add(fault.name)
            return
        self._begin(fault)
        time.sleep(fault.lasts_s)
        self._end(fault)
        watch.ended(fault.name, self._router.handed_over)

    def _begin(self, fault: Fault) -> None:
        stage, crew = self._stage, self._crew
        match fault.name:
            case plans.KILL_AT_POINT:
                for point in fault.points:
                    crew.at(point, SIGKILL)
                    self._note(point)
            case plans.KILL:
                crew.kill(fault.which)
            case plans.FREEZE:
                for point in fault.points:
                    crew.at(point, SIGSTOP)
                    if not self._note(point):
                        crew.freeze(fault.which)
            case plans.CREW:
                crew.resize(1 + fault.which % 3)
            case plans.BROKER | plans.BROKER_OUTAGE:
                stage.kill_broker()
            case plans.LETTERS:
                stage.take_dead_letters("full")
            case plans.DISK:
                stage.disk.fill()
            case _:
                modes = {plans.REFUSES: Mode.REFUSES, plans.HANGS: Mode.HANGS}
                stage.proxy.become(modes.get(fault.name, Mode.LOSES_REPLIES))

    def _end(self, fault: Fault) -> None:
        stage, crew = self._stage, self._crew
        match fault.name:
            case plans.FREEZE:
                crew.thaw()
            case plans.CREW:
                crew.resize(1 + (fault.which + 1) % 3)
            case plans.BROKER | plans.BROKER_OUTAGE:
                stage.start_broker()
            case plans.LETTERS:
                stage.take_dead_letters("normal")
            case plans.DISK:
                stage.disk.empty()
            case _:
                stage.proxy.become(Mode.WORKS)

    def _note(self, point: str) -> bool:
        """Whether a worker came to a point in time."""
        has_passed = self._crew.has_passed(point, _POINT_WITHIN_S)
        if has_passed:
            self.points.append(point)
        else:
            self._crew.forget(point)
        return has_passed
