"""Engines in Python: stock Faust, Quix Streams, Bytewax, and the ceilings of the two clients."""

from __future__ import annotations

import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial

import msgspec

from bench.engines import changelog
from bench.engines.engine import PROGRAMS, Command, Engine, Run
from bench.engines.environments import python
from bench.engines.traffic import Cells, Counters
from deploy.local.ports import free_port
from schemas.topics import USAGE

_FAUST_SHARE = 0.1
_TAKE = "100"


def stock_faust() -> Iterator[Engine]:
    """Faust as its documentation has it, per event and with `take`."""
    for name, environment in {"faust": {}, "faust take": {"BENCH_TAKE": _TAKE}}.items():
        yield Engine(
            name,
            "core",
            _workers("faust_agent.py", "worker", "-l", "warn", "--without-web"),
            cells=_faust_cells,
            environment=partial(_always, environment),
            clean=_drop_topics,
            share=_FAUST_SHARE,
        )


def _faust_cells(run: Run) -> Cells:
    def decode(key: bytes, value: bytes) -> tuple[str, Counters]:
        return msgspec.json.decode(key), tuple(msgspec.json.decode(value))

    return changelog.read(run.platform.bootstrap, f"{run.group}-cells-changelog", decode)


def quix() -> Engine:
    """Quix Streams."""
    return Engine(
        "quix streams",
        "core",
        lambda run: [[python("quix"), str(PROGRAMS / "quix.py")]] * run.workers,
        cells=_quix_cells,
        clean=_drop_topics,
    )


def _quix_cells(run: Run) -> Cells:
    def decode(key: bytes, value: bytes) -> tuple[str, Counters]:
        return msgspec.json.decode(key.partition(b"|")[2]), tuple(msgspec.json.decode(value))

    topic = f"changelog__{run.group}--{USAGE}--default"
    return changelog.read(run.platform.bootstrap, topic, decode)


def bytewax() -> Iterator[Engine]:
    """Bytewax with recovery, each event for itself, or each batch that was read added up first."""
    for name, environment in {"bytewax": {}, "bytewax batches": {"BENCH_COMBINE": "1"}}.items():
        yield Engine(
            name,
            "core",
            _bytewax_processes,
            cells=_bytewax_cells,
            environment=partial(_always, environment),
            prepare=_make_recovery_store,
            ends=True,
        )


def _bytewax_processes(run: Run) -> Sequence[Command]:
    addresses = ";".join(f"127.0.0.1:{free_port()}" for _ in range(run.workers))
    flow = str(PROGRAMS / "bytewax_flow.py")
    common = [python("bytewax"), "-m", "bytewax.run", flow, "-r", str(run.state)]
    common += ["-s", "1", "-b", "0"]
    if run.workers == 1:
        return [common]
    return [[*common, "-i", str(number), "-a", addresses] for number in range(run.workers)]


def _make_recovery_store(run: Run) -> None:
    command = [python("bytewax"), "-m", "bytewax.recovery", str(run.state), str(run.workers)]
    subprocess.run(command, check=True, capture_output=True)


def _bytewax_cells(run: Run) -> Cells:
    """The last snapshot of each cell in the recovery store."""
    cells: Cells = {}
    for part in run.state.glob("part-*.sqlite3"):
        with closing(sqlite3.connect(part)) as store:
            query = (
                "SELECT state_key, ser_change FROM snaps WHERE step_id LIKE ? ORDER BY snap_epoch"
            )
            for cell, change in store.execute(query, ("bench.cells.%",)):
                if change is not None:
                    cells[cell] = tuple(pickle.loads(change))
    return cells


def ceilings() -> Iterator[Engine]:
    """What there is to win: the clients alone, reading and committing."""
    for client, name in {"aiokafka": "aiokafka", "librdkafka": "confluent-kafka"}.items():
        yield Engine(
            f"{name} reading only",
            "ceiling",
            _workers("reading.py", client),
        )


def _workers(*program: str) -> Callable[[Run], Sequence[Command]]:
    """A process for each worker: a program of `programs/` and its arguments, in our environment."""
    first, *rest = program
    command = [sys.executable, str(PROGRAMS / first), *rest]
    return lambda run: [command] * run.workers


def _always(environment: dict[str, str], _: Run) -> dict[str, str]:
    return environment


def _drop_topics(run: Run) -> None:
    changelog.drop(run.platform.bootstrap, run.group)
