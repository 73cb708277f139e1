"""Runs the control and says what it lost and doubled: `python -m tests.faults.control.runs 1-10`.

The seeded traffic of the fault suite without its poison, in each run with SIGKILLs of the worker at
random moments. `--results` is added to and goes on where it stopped; `--report` puts the table into
a page, in a section of its own.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from deploy.local import kafka
from deploy.local.children import Child
from deploy.local.ports import free_port
from schemas.topics import USAGE
from tests.faults.control.job import truth
from tests.faults.control.table import put_into
from tests.faults.seeded.router import TRAFFIC, Router, simulate
from tests.oracle import ledger
from tests.streams.conftest import PARTITIONS, create_topics, delete_topics

JOBS = {
    "per event": {"CONTROL_TAKE": "0"},
    "per event, sids in a table": {"CONTROL_TAKE": "0", "CONTROL_ONCE": "1"},
    "`take(100)`": {"CONTROL_TAKE": "100"},
    "`take(100)`, sids in a table": {"CONTROL_TAKE": "100", "CONTROL_ONCE": "1"},
}
# Of an option given twice the last counts. What is poison is the product's rule alone.
_TRAFFIC = [*TRAFFIC, "--poison", "0"]
KILLS = 3
UNHARMED = 1
"""The seed that runs without a fault too, to see that the job itself is right."""
_PATIENCE_S = 45.0
_LONGEST_S = 180.0
"""Faust may commit one offset every 2.8 s from some kill on, and would be waited for for hours."""
_TIMEOUT_S = 10.0
_SENDING_S = 12.0
_MOST_CRASHES = 5


@dataclass(frozen=True)
class Result:
    """One run: `lost` and `doubled` of `messages`, cell by cell; the worker ended by itself
    `crashes` times."""

    seed: int
    job: str
    kills: int
    messages: int
    lost: int
    doubled: int
    crashes: int


class Control:
    """One run's worker, which is started again when it has ended."""

    def __init__(self, directory: Path, bootstrap: str, job: str) -> None:
        self.group = f"control-{time.time_ns()}"
        self._bootstrap, self._directory = bootstrap, directory
        self._environment = {
            "CONTROL_GROUP": self.group,
            "CONTROL_BOOTSTRAP": bootstrap,
            "CONTROL_DIRECTORY": str(directory / "faust"),
            "CONTROL_PARTITIONS": str(PARTITIONS),
            **JOBS[job],
        }
        self.crashes = 0
        self._worker = self._start()

    def kill(self) -> None:
        """SIGKILL it, and start it again."""
        self._worker.kill()
        self._worker = self._start()

    def wait(self) -> None:
        """Wait until all is committed, nothing moves or it lasts too long; then stop it."""
        consumer = self._consumer()
        asked = [TopicPartition(USAGE, number) for number in _partitions(consumer, USAGE)]
        ends = [consumer.get_watermark_offsets(tp, _TIMEOUT_S)[1] for tp in asked]
        before: list[int] = []
        deadline = time.monotonic() + _PATIENCE_S
        last = time.monotonic() + _LONGEST_S
        while before != ends and time.monotonic() < min(deadline, last):
            if self._worker.exit_status is not None:
                self.crashes += 1
                if self.crashes > _MOST_CRASHES:
                    raise RuntimeError(f"the control does not run: {self._worker.last_line}")
                self._worker = self._start()
            time.sleep(0.2)
            try:
                places = consumer.committed(asked, timeout=_TIMEOUT_S)
            except KafkaException:
                continue
            found = [max(place.offset, 0) for place in places]
            if found != before:
                before, deadline = found, time.monotonic() + _PATIENCE_S
        consumer.close()
        self._worker.stop(15)

    def cells(self) -> Counter[str]:
        """What its table holds: the last value of each key in the changelog."""
        topic = f"{self.group}-cells-changelog"
        consumer = self._consumer()
        numbers = _partitions(consumer, topic)
        ends = [
            consumer.get_watermark_offsets(TopicPartition(topic, n), _TIMEOUT_S)[1] for n in numbers
        ]
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in numbers])
        cells: Counter[str] = Counter()
        while sum(max(0, p.offset) for p in consumer.position(consumer.assignment())) < sum(ends):
            for message in consumer.consume(1000, 0.5):
                cells[json.loads(message.key())] = json.loads(message.value())
        consumer.close()
        return cells

    def _consumer(self) -> Consumer:
        settings = {"bootstrap.servers": self._bootstrap, "group.id": self.group, "log_level": 0}
        return Consumer(settings)

    def _start(self) -> Child:
        command = (
            sys.executable,
            "-m",
            "tests.faults.control.faust_app",
            "worker",
            "--without-web",
        )
        return Child("control", command, self._directory / "worker.log", self._environment)


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    return sorted(consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions)


def run(bootstrap: str, directory: Path, seed: int, job: str, kills: int) -> Result:
    """Send the traffic of a seed while the worker is killed, wait, and compare the cells."""
    directory.mkdir()
    delete_topics(bootstrap)
    create_topics(bootstrap)
    _uncompress(bootstrap)
    book = directory / "ledger.ndjson"
    simulate(directory, *_TRAFFIC, "--seed", str(seed), "--prepare", str(book))
    values = (entry.value for entry in ledger.read(book) if entry.kind != "mapping")
    sent = truth(values, once="CONTROL_ONCE" in JOBS[job])
    control = Control(directory, bootstrap, job)
    moments = random.Random(seed)
    router = Router(book, bootstrap)
    router.send_mappings()
    with router.sending(_SENDING_S):
        for _ in range(kills):
            time.sleep(moments.uniform(2.0, 6.0))
            control.kill()
    control.wait()
    found = control.cells()
    lost, doubled = (sent - found).total(), (found - sent).total()
    return Result(seed, job, kills, sent.total(), lost, doubled, control.crashes)


def _uncompress(bootstrap: str) -> None:
    """Have the broker unpack what the router sends: aiokafka reads no lz4 by itself."""
    entry = ConfigEntry(
        "compression.type", "uncompressed", incremental_operation=AlterConfigOpType.SET
    )
    topic = ConfigResource(ResourceType.TOPIC, USAGE, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for done in admin.incremental_alter_configs([topic]).values():
        done.result(30)


def main() -> int:
    """Run seeds that are not done, and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("seeds", help="FIRST-LAST")
    arguments.add_argument("--results", type=Path, default=Path("control.ndjson"))
    arguments.add_argument("--report", type=Path, help="Markdown page to put the table into.")
    options = arguments.parse_args()
    first, _, last = options.seeds.partition("-")
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    done = [json.loads(line) for line in lines]
    known = {(line["seed"], line["job"], line["kills"]) for line in done}
    with tempfile.TemporaryDirectory(prefix="sms-control-") as name:
        port, directory = free_port(), Path(name)
        broker = kafka.start(directory / "kafka", port, directory / "kafka.log", print)
        for seed in range(int(first), int(last or first) + 1):
            for job, kills in product(JOBS, (0, KILLS) if seed == UNHARMED else (KILLS,)):
                if (seed, job, kills) in known:
                    continue
                place = directory / f"run-{len(done)}"
                result = run(f"127.0.0.1:{port}", place, seed, job, kills)
                done.append(asdict(result))
                with options.results.open("a") as results:
                    results.write(json.dumps(asdict(result)) + "\n")
                print(result, flush=True)
        broker.stop(10)
    if options.report:
        put_into(options.report, done)
    return 0


if __name__ == "__main__":
    sys.exit(main())
