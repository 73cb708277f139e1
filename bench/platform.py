"""The real parts for a benchmark, on a data directory that is thrown away afterwards."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from deploy import runtime
from deploy.data_dir import DataDirectory
from deploy.local import clickhouse, kafka
from deploy.local.children import Child
from deploy.local.kafka_jars import KAFKA_VERSION
from deploy.local.ports import free_port
from deploy.migrate import migrate
from deploy.runtime import Runtime
from deploy.tokens import development_token
from deploy.topics import create_missing_topics, wait_for_broker
from schemas.settings import clickhouse_arguments
from schemas.topics import topics

RESULTS = Path(__file__).with_name("RESULTS.md")
_TICKS = os.sysconf("SC_CLK_TCK")


class Platform:
    """Broker and ClickHouse, and the product's processes on them; all end with `running`."""

    def __init__(self, directory: Path, tables: Path | None = None, partitions: int = 8) -> None:
        self._load = os.getloadavg()[0]
        self.directory = directory
        self.children: dict[str, Child] = {}
        kafka_port, clickhouse_port, self.api_port = (free_port() for _ in range(3))
        if tables is not None:
            shutil.copytree(tables, directory / "clickhouse", symlinks=True)
        password, bootstrap = "bench-only", f"127.0.0.1:{kafka_port}"
        self.children["broker"] = _start_broker(directory, kafka_port)
        create_missing_topics(bootstrap, topics(partitions))
        self.children["ClickHouse"] = clickhouse.start(
            directory / "clickhouse", clickhouse_port, password, directory / "clickhouse.log"
        )
        url = clickhouse.url(clickhouse_port, password)
        migrate(url)
        self.bootstrap = bootstrap
        self.url = url
        (self.client,) = self.clients(1)
        (directory / "data").mkdir()
        self._data = DataDirectory(directory / "data")
        runs = Runtime(f"kafka://{bootstrap}", url, "", {})
        # Probes ask for the same user as fast as they can.
        limits = {"SMS_USER_REQUESTS_PER_MINUTE": "0"}
        self._environment = runtime.environment(self._data, runs) | limits

    @property
    def facts(self) -> str:
        """When and on what a figure was measured."""
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
        engine = self.client.server_version
        return (
            f"{date.today()}, {os.cpu_count()} cores of {model}, load {self._load:.1f} from other"
            f" work when it began; Kafka {KAFKA_VERSION},"
            f" ClickHouse {engine} (embedded), faust-streaming {version('faust-streaming')},"
            f" confluent-kafka {version('confluent-kafka')}, Python {sys.version.split()[0]}"
        )

    def start(self, name: str, *command: str, **environment: str) -> Child:
        """Start a process of the product: `python -m` with these arguments."""
        arguments = (sys.executable, "-m", *command)
        child = Child(name, arguments, self.log(name), self._environment | environment)
        self.children[name] = child
        return child

    def run(self, *command: str) -> None:
        """Run a command of the product to its end."""
        child = self.start("command", *command)
        while child.exit_status is None:
            time.sleep(0.1)
        del self.children["command"]
        if child.exit_status:
            raise RuntimeError(f"{command} ended with {child.exit_status}: {child.last_line}")

    def clients(self, number: int) -> list[Client]:
        """Clients of ClickHouse."""
        arguments = clickhouse_arguments(self.url)
        return [clickhouse_connect.get_client(**arguments) for _ in range(number)]

    def start_api(self, **environment: str) -> None:
        """Start the API and wait until it answers."""
        self.start("API", "deploy.cli", "api", SMS_API_PORT=str(self.api_port), **environment)
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.api_port}/healthz", timeout=5)
                return
            except OSError:
                time.sleep(0.1)

    def get(self, path: str, user_id: int) -> Any:
        """The JSON answer of an API route to an admin who is this user."""
        with urllib.request.urlopen(self.request(path, user_id), timeout=60) as answer:
            return json.load(answer)

    def request(self, path: str, user_id: int) -> urllib.request.Request:
        """A request to an API route by an admin who is this user."""
        token = self.token(user_id, ["user", "admin"])
        url = f"http://127.0.0.1:{self.api_port}/api/v1/analytics{path}"
        return urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})

    def token(self, user_id: int, roles: list[str]) -> str:
        """A token that holds for an hour."""
        issued = int(time.time())
        return development_token(self._data, user_id, roles, issued_at=issued, expires_in_s=3600)

    def durable(self) -> int:
        """How many records are folded and written."""
        query = "SELECT sum(next_offset) FROM source_progress FINAL"
        return int(self.client.query(query).result_rows[0][0])

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.client.query(f"SELECT count() FROM {table} FINAL").result_rows[0][0])

    def log(self, name: str) -> Path:
        """Where a process writes its log."""
        return self.directory / f"{name}.log"

    def stop(self) -> None:
        """Stop everything, the last started first."""
        self.client.close()
        for child in reversed(self.children.values()):
            child.stop(10)


@contextmanager
def running(tables: Path | None = None, partitions: int = 8) -> Iterator[Platform]:
    """Broker and ClickHouse with topics and tables, until the end of the block; a copy of those
    in the directory `tables`, if given. The usage topic has so many `partitions`."""
    with tempfile.TemporaryDirectory(prefix="sms-bench-") as name:
        platform = Platform(Path(name), tables, partitions)
        try:
            yield platform
        finally:
            platform.stop()


def _start_broker(directory: Path, port: int) -> Child:
    """The broker, which waits for a group's first members as Kafka does by default and the
    product's does not: workers that start together then share the partitions from the beginning."""
    command = kafka.prepare(directory / "kafka", port, print)
    delay = ("--override", "group.initial.rebalance.delay.ms=3000")
    broker = Child("Kafka", [*command, *delay], directory / "kafka.log")
    if not wait_for_broker(f"127.0.0.1:{port}", lambda: broker.exit_status is None):
        raise RuntimeError(f"Kafka did not start: {broker.last_line}")
    return broker


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_rss_mb(pid: int) -> int:
    """The most memory that a process has held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) // 1024


def report(platform: Platform, name: str, figures: dict[str, str]) -> None:
    """Print figures and put them into RESULTS.md in place of the last ones of that name."""
    rows = "".join(f"| {label} | {figure} |\n" for label, figure in figures.items())
    write_section(name, f"{platform.facts}\n\n| what | figure |\n|---|---|\n{rows}")


def write_section(name: str, text: str) -> None:
    """Print a section and put it into RESULTS.md in place of the last one of that name."""
    section = f"## {name}\n\n{text}"
    print(section)
    before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Results\n\n"
    head, *sections = before.split("\n## ")
    kept = [f"## {text.rstrip()}\n" for text in sections if not text.startswith(f"{name}\n")]
    parts = [head.rstrip() + "\n", *kept, section]
    RESULTS.write_text("\n".join(parts), encoding="utf-8")
