"""The whole of `up`, real in every part: what it prints, what it survives, how it ends.

The tests of a class share one data directory and run in their order.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.ports import free_port

pytestmark = pytest.mark.live

CLI = str(Path(sys.executable).parent / "sms-analytics")
START_S = 180.0
STOP_S = 15.0


def wait(condition: Callable[[], Any], patience_s: float, what: str) -> Any:
    deadline = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Up:
    """`up` on one data directory, again and again, on the same ports."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.data_dir = directory / "data"
        self._files = directory / "stdout", directory / "stderr"
        names = ("--api-port", "--kafka-port", "--clickhouse-port")
        self._ports = [text for name in names for text in (name, str(free_port()))]
        self._options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [CLI, "up", "--data-dir", str(self.data_dir), *self._ports, *self._options]
        with self._files[0].open("wb") as stdout, self._files[1].open("wb") as stderr:
            self.process = subprocess.Popen(command, stdout=stdout, stderr=stderr)

    @property
    def stdout(self) -> str:
        return self._files[0].read_text()

    @property
    def stderr(self) -> str:
        return self._files[1].read_text()

    @property
    def pids(self) -> dict[str, int]:
        """The children as `runtime.json` names them; empty before it is there."""
        try:
            pids: dict[str, int] = json.loads((self.data_dir / "runtime.json").read_text())["pids"]
        except FileNotFoundError:
            return {}
        return pids

    def has_all_running(self) -> bool:
        """Whether four parts or more were started in this life."""
        return len(pids := self.pids) >= 4 and all(map(is_alive, pids.values()))

    def until_ready(self) -> str:
        """Wait for the announcement; the command that it ends with."""
        assert self.process

        def announced() -> str | None:
            assert self.process
            assert self.process.poll() is None, self.stderr
            return next((line for line in self.stdout.split("\n") if line[:5] == "curl "), None)

        return str(wait(announced, START_S, f"no announcement: {self.stderr}"))

    def end(self, number: int) -> float:
        """Send a signal and wait for the end; the seconds it took."""
        assert self.process
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(STOP_S + 15)
        return time.monotonic() - began

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [CLI, *arguments, "--data-dir", str(self.data_dir)]
        return subprocess.run(command, capture_output=True, text=True)

    def total(self, curl: str) -> int:
        """What the command that `up` prints answers."""
        run = subprocess.run(shlex.split(curl), capture_output=True, check=True)
        total: int = json.loads(run.stdout)["usage_summary"]["total_messages"]
        return total


@pytest.fixture(scope="class")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    made = Up(tmp_path_factory.mktemp("up"), "--simulate", "50", "--backfill-days", "2")
    yield made
    if made.process and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


class TestAnUp:
    """One data directory through several lives."""

    total = 0
    curl = ""

    def test_it_prints_a_command_that_answers_with_totals(self, up: Up) -> None:
        up.start()
        type(self).curl = up.until_ready()
        type(self).total = up.total(self.curl)
        assert self.total > 0
        assert len(re.findall(r"^Token, .* [\w-]+\.[\w-]+\.[\w-]+$", up.stdout, re.M)) == 2
        assert set(up.pids) >= {"Kafka", "ClickHouse", "Worker 1", "API"}
        wait(lambda: "Simulator" in up.pids, 60, "the live traffic did not start")

    def test_the_other_commands_find_it(self, up: Up) -> None:
        doctor = up.run("doctor")
        assert doctor.returncode == 0, doctor.stdout
        assert "ok   Kafka: 127.0.0.1:" in doctor.stdout
        assert "has every migration" in doctor.stdout
        assert up.run("migrate").stdout == "nothing to do\n"
        assert up.run("reconcile").returncode == 0
        assert up.run("dlq", "list").stdout.startswith("partition\toffset\treason")
        assert "+" in up.run("phones", "show").stdout

    def test_a_second_one_is_refused(self, up: Up) -> None:
        assert up.process
        second = up.run("up")
        assert (second.returncode, second.stdout) == (1, "")
        assert second.stderr == (
            f"Another `up` (process {up.process.pid}) is running on {up.data_dir}.\n"
        )

    @pytest.mark.parametrize("name", ["Worker 1", "API", "Simulator"])
    def test_a_part_that_dies_is_started_again(self, up: Up, name: str) -> None:
        before = up.pids
        os.kill(before[name], signal.SIGKILL)
        wait(lambda: up.pids.get(name, before[name]) != before[name], 30, up.stderr)
        assert f"{name} was killed by signal 9" in up.stderr
        others = {part: pid for part, pid in up.pids.items() if part != name}
        assert others.items() <= before.items()

    def test_the_totals_grow_again(self, up: Up) -> None:
        answered = wait(lambda: self.grown(up), 90, up.stderr)
        assert answered > self.total

    def grown(self, up: Up) -> int:
        try:
            total = up.total(self.curl)
        except (subprocess.CalledProcessError, KeyError):
            return 0
        return total if total > self.total else 0

    def test_ctrl_c_stops_everything(self, up: Up) -> None:
        self.stop(up, signal.SIGINT)

    def stop(self, up: Up, number: int) -> None:
        pids = up.pids
        assert up.end(number) < STOP_S
        assert up.process
        assert up.process.returncode == 0
        assert up.stderr.endswith("Stopping\nStopped\n")
        assert "Traceback" not in up.stderr
        assert not any(is_alive(pid) for pid in pids.values())
        assert up.pids == {}

    def test_what_it_stored_is_there_at_the_next_start(self, up: Up) -> None:
        up.start()
        curl = up.until_ready()
        assert up.total(curl) > self.total
        assert "Filling" not in up.stderr
        assert up.run("reconcile").returncode == 0

    def test_a_sigkill_leaves_no_orphan(self, up: Up) -> None:
        pids = up.pids
        up.end(signal.SIGKILL)
        wait(lambda: not any(is_alive(pid) for pid in pids.values()), 5, f"alive: {pids}")
        assert up.run("reconcile").returncode == 1  # there is nothing to ask any more

    @pytest.mark.parametrize("name", ["Kafka", "ClickHouse"])
    def test_a_back_end_that_dies_ends_it(self, up: Up, name: str) -> None:
        up.start()
        pids = wait(lambda: up.has_all_running() and up.pids, START_S, up.stderr)
        began = time.monotonic()
        os.kill(pids[name], signal.SIGKILL)
        assert up.process
        assert up.process.wait(STOP_S + 15) == 1
        assert time.monotonic() - began < STOP_S
        sentence = up.stderr.splitlines()[-1]
        assert sentence.startswith(f"{name} was killed by signal 9")
        assert str(up.data_dir / "logs") in sentence
        assert "Traceback" not in up.stderr
        assert not any(is_alive(pid) for pid in pids.values())

    def test_after_all_that_nothing_is_lost_and_sigterm_stops_it(self, up: Up) -> None:
        up.start()
        assert up.total(up.until_ready()) > self.total
        assert up.run("reconcile").returncode == 0
        self.stop(up, signal.SIGTERM)


def test_a_stop_while_it_starts(tmp_path: Path) -> None:
    up = Up(tmp_path)
    up.start()
    wait(lambda: "Starting Kafka" in up.stderr, 30, "it did not start")
    time.sleep(2)
    assert up.end(signal.SIGTERM) < STOP_S
    assert up.process
    assert up.process.returncode == 0
    assert "Traceback" not in up.stderr
    assert up.stdout == ""
