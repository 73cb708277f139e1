"""Whether an answer would be right and current: the checks of `/readyz`.

Pure functions from rows to checks, and one shell that asks the rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from query_api import questions
from query_api.at_once import at_once
from query_api.errors import UnavailableError
from query_api.freshness import freshness
from query_api.questions import Asker, Row, Rows
from query_api.settings import ApiSettings
from schemas.api.health import Check
from schemas.migrations import MIGRATIONS, Migration
from schemas.units import partition_of

STUCK_ATTEMPTS = 3
"""Deaths of a worker at one position after which an operator has to look (design, rule 4)."""
_PATIENCE_S = 3.0
_KEPT_S = 1.0
_NOT_CHECKED = "not checked: ClickHouse did not answer"


class Probe:
    """Answers from ClickHouse, asked at most once a second however often the probe is called."""

    def __init__(
        self,
        asker: Asker,
        settings: ApiSettings,
        clock: Callable[[], float],
        others: Sequence[Callable[[], Awaitable[Check]]] = (),
    ) -> None:
        self._asker = asker
        self._settings = settings
        self._clock = clock
        self._others = others
        self._lock = asyncio.Lock()
        self._until = 0.0
        self._checks: Sequence[Check] = ()

    async def checks(self) -> Sequence[Check]:
        """Every condition of readiness; none raises."""
        async with self._lock:
            if self._clock() >= self._until:
                tables, others = await asyncio.gather(
                    _checks(self._asker, self._settings, self._clock),
                    asyncio.gather(*(other() for other in self._others)),
                )
                self._checks = [*tables, *others]
                self._until = self._clock() + _KEPT_S
        return self._checks


async def _checks(
    asker: Asker, settings: ApiSettings, clock: Callable[[], float]
) -> Sequence[Check]:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            applied, progress, attempts = await at_once(
                questions.applied_migrations(asker),
                questions.source_progress(asker),
                questions.worker_attempts(asker, STUCK_ATTEMPTS),
            )
    except TimeoutError:
        return _unreachable(f"no answer within {_PATIENCE_S:g} s")
    except UnavailableError as error:
        return _not_migrated() if error.reason == "tables" else _unreachable(error.cause)
    now = clock()
    return (
        Check(name="clickhouse", status="ok", detail="answers"),
        migrations_check(applied, MIGRATIONS),
        worker_check(progress, now, settings.ready_stall_s),
        lag_check(progress, now, settings.ready_lag_s, settings.ready_lag_events),
        positions_check(attempts, progress),
    )


def _unreachable(cause: str) -> Sequence[Check]:
    return (
        Check(name="clickhouse", status="failed", detail=cause),
        Check(name="migrations", status="unknown", detail=_NOT_CHECKED),
        Check(name="worker", status="unknown", detail=_NOT_CHECKED),
        Check(name="lag", status="unknown", detail=_NOT_CHECKED),
        Check(name="positions", status="unknown", detail=_NOT_CHECKED),
    )


def _not_migrated() -> Sequence[Check]:
    detail = "not checked: the database has no tables"
    return (
        Check(name="clickhouse", status="ok", detail="answers"),
        Check(
            name="migrations",
            status="failed",
            detail="tables are missing: run `sms-analytics migrate`",
        ),
        Check(name="worker", status="unknown", detail=detail),
        Check(name="lag", status="unknown", detail=detail),
        Check(name="positions", status="unknown", detail=detail),
    )


def migrations_check(applied: Rows, expected: Sequence[Migration]) -> Check:
    """Each migration that this release knows must be applied as it is; newer ones do not hurt."""
    checksums = {row["number"]: row["checksum"] for row in applied}
    faults = [
        f"{migration.number:04d}_{migration.name} "
        + ("was applied with other text" if migration.number in checksums else "is not applied")
        for migration in expected
        if checksums.get(migration.number) != migration.checksum
    ]
    if faults:
        return Check(name="migrations", status="failed", detail="; ".join(faults))
    return Check(name="migrations", status="ok", detail=f"{len(expected)} applied")


def worker_check(progress: Rows, now: float, stall_s: int) -> Check:
    """Every partition of the newest epoch must have a row that was written a moment ago."""
    if not progress:
        return Check(name="worker", status="failed", detail="no worker has ever made progress")
    expected = max(row["partitions"] for row in progress)
    faults = []
    if len(progress) < expected:
        faults.append(f"{expected - len(progress)} of {expected} partitions were never read")
    for row in progress:
        age = now - row["updated_at_ms"] / 1000
        if age > stall_s:
            faults.append(f"no progress for {age:.0f} s on partition {partition_of(row['source'])}")
    if faults:
        return Check(name="worker", status="failed", detail="; ".join(faults))
    return Check(name="worker", status="ok", detail=f"{len(progress)} partitions move")


@dataclass(frozen=True)
class Lag:
    """How far the tables are behind the log."""

    events: int
    seconds: float


def lag_of(progress: Rows, now: float) -> Lag | None:
    """The lag at `now`; None while a source has no progress."""
    as_of_ms = freshness(progress).as_of_ms
    if as_of_ms is None:
        return None
    events = sum(max(0, row["end_offset"] - row["next_offset"]) for row in progress)
    return Lag(events, max(0.0, now - as_of_ms / 1000))


def lag_check(progress: Rows, now: float, limit_s: int, limit_events: int) -> Check:
    """How far the tables are behind the log, in events and in time."""
    lag = lag_of(progress, now)
    if lag is None:
        return Check(name="lag", status="unknown", detail="not every partition has progress yet")
    is_late = lag.events > limit_events or lag.seconds > limit_s
    detail = f"{lag.events} events and {lag.seconds:.0f} s behind the log"
    if is_late:
        detail += f" (limits {limit_events} events, {limit_s} s)"
    return Check(name="lag", status="failed" if is_late else "ok", detail=detail)


def positions_check(attempts: Rows, progress: Rows) -> Check:
    """No position may have ended workers again and again without being passed since."""
    passed = {row["source"]: row["next_offset"] for row in progress}
    stuck = [row for row in attempts if passed.get(row["source"], 0) <= row["next_offset"]]
    # A worker takes all of its partitions down with it; where one named a record, that is the one.
    stuck = [row for row in stuck if row["error"]] or stuck
    if stuck:
        detail = "; ".join(_stuck(row) for row in stuck)
        return Check(name="positions", status="failed", detail=detail)
    return Check(name="positions", status="ok", detail="no record stops a worker")


def _stuck(row: Row) -> str:
    partition, offset = partition_of(row["source"]), row["next_offset"]
    error = " ".join(row["error"].split())[:200]
    return (
        f"partition {partition} has stopped at offset {offset} after {row['attempts']} attempts "
        f"({error}); `sms-analytics dlq quarantine {partition} {offset}` sets the record aside"
    )
