"""Engines in Java: Kafka Streams and Flink, each with its state on disk and in memory."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from bench.engines import changelog
from bench.engines.engine import Command, Engine, Run
from bench.engines.environments import class_path, java
from bench.engines.traffic import Cells, Counters

_HEAP = ("-Xms1g", "-Xmx2g")
# What Flink's own start script opens for its serialisers on Java 17.
_OPENS = tuple(
    f"--add-opens=java.base/{package}=ALL-UNNAMED"
    for package in ("java.lang", "java.util", "java.time", "java.util.concurrent")
)
_QUIET = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",)


def kafka_streams() -> Iterator[Engine]:
    """The Processor API, at least once, its stores with changelog and cache."""
    for store, name in {"rocksdb": "RocksDB", "memory": "in memory"}.items():
        yield Engine(
            f"kafka streams {name}",
            "core",
            _program("kafka-streams", "bench.KafkaStreamsJob", store),
            cells=_kafka_streams_cells,
            clean=lambda run: changelog.drop(run.platform.bootstrap, run.group),
        )


def _kafka_streams_cells(run: Run) -> Cells:
    def decode(key: bytes, value: bytes) -> tuple[str, Counters]:
        numbers = (int.from_bytes(value[at : at + 8], "big", signed=True) for at in range(0, 48, 8))
        return key.decode(), tuple(numbers)

    return changelog.read(run.platform.bootstrap, f"{run.group}-cells-changelog", decode)


def flink() -> Iterator[Engine]:
    """The DataStream API on a mini cluster, a checkpoint every second."""
    for backend, name in {"hashmap": "hash map", "rocksdb": "RocksDB"}.items():
        yield Engine(
            f"flink {name}",
            "core",
            _program("flink", "bench.FlinkJob", backend),
            cells=partial(_flink_cells, backend),
        )


def _flink_cells(backend: str, run: Run) -> Cells:
    """The cells of the last whole checkpoint, restored by Flink and printed."""
    whole = [path.parent for path in run.state.glob("*/chk-*/_metadata")]
    last = max(whole, key=lambda path: int(path.name.removeprefix("chk-")))
    command = _program("flink", "bench.FlinkJob", backend, f"file://{last}")(run)[0]
    shown = subprocess.run(command, capture_output=True, text=True)
    cells: Cells = {}
    for line in shown.stdout.splitlines():
        if line.startswith("cell "):
            _, cell, *counters = line.split(" ")
            cells[cell] = tuple(map(int, counters))
    if not cells:
        raise RuntimeError(f"the checkpoint cannot be read: {shown.stderr[-500:]}")
    return cells


def _program(module: str, main: str, *arguments: str) -> Callable[[Run], Sequence[Command]]:
    def commands(_: Run) -> Sequence[Command]:
        path = class_path(module)
        return [[java(), *_HEAP, *_OPENS, *_QUIET, "-cp", path, main, *arguments]]

    return commands
