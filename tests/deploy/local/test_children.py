"""Children: their logs, their end, and that none outlives its parent."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.errors import Unusable
from deploy.local.children import MOST_LOG_BYTES, Child, stop_all
from deploy.local.supervisor import STORE, TRAFFIC, WORK, Supervisor, obituary

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    " print('ready', flush=True); time.sleep(60)",
]


def saying(text: str, status: int = 0) -> list[str]:
    return [sys.executable, "-c", f"print({text!r}); raise SystemExit({status})"]


def ended(child: Child) -> Child:
    deadline = time.monotonic() + 30
    while child.exit_status is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return child


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_output_is_appended_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for text in "first", "second\n\n":
        child = ended(Child("Sayer", saying(text, 3), log))
    assert log.read_text().split() == ["first", "second"]
    assert child.last_line == "second"
    assert obituary(child) == f"Sayer ended (3): second (see {log})."


WRITING = "import time\nfor n in range(10**9): print('x' * 100_000, n, flush=True)"


def test_a_large_log_is_put_aside_while_it_is_written(tmp_path: Path) -> None:
    log, old = tmp_path / "writer.log", tmp_path / "writer.old.log"
    supervisor = Supervisor(lambda line: None)
    supervisor.keep(lambda: Child("Writer", [sys.executable, "-c", WRITING], log), TRAFFIC)
    supervisor.watch(until=old.exists)
    supervisor.stop()
    assert old.stat().st_size > MOST_LOG_BYTES
    assert b"\0" not in log.read_bytes()


def test_who_does_not_stop_is_killed(tmp_path: Path) -> None:
    willing = Child("Willing", SLEEP, tmp_path / "1")
    stubborn = Child("Stubborn", STUBBORN, tmp_path / "2")
    while stubborn.last_line != "ready":
        time.sleep(0.02)
    began = time.monotonic()
    stop_all([willing, stubborn], 1.0)
    assert time.monotonic() - began < 3
    assert willing.exit_status == -signal.SIGTERM
    assert stubborn.exit_status == -signal.SIGKILL
    assert obituary(stubborn).startswith("Stubborn was killed by signal 9: ready")


PARENT = """
import sys
from pathlib import Path
from deploy.local.children import Child
child = Child("Child", [sys.executable, "-c", "import time; time.sleep(60)"], Path(sys.argv[1]))
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    deadline = time.monotonic() + 5
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_end_of_an_essential_child_ends_the_watch(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda line: None)
    supervisor.essential(Child("Store", saying("no room", 1), tmp_path / "log"))
    with pytest.raises(Unusable, match=r"^Store ended \(1\): no room .*"):
        supervisor.watch()


def test_a_kept_child_is_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append)
    starts: list[Child] = []

    def start() -> Child:
        command = saying("a reason", 70) if not starts else SLEEP
        starts.append(Child("Worker", command, tmp_path / "log"))
        return starts[-1]

    supervisor.keep(start, WORK)
    supervisor.watch(until=lambda: len(starts) == 2)
    assert supervisor.pids == {"Worker": starts[1].pid}
    assert len(said) == 1
    assert said[0].startswith("Worker ended (70): a reason")
    assert said[0].endswith("It is started again in 1 s.")
    supervisor.stop()
    assert not is_alive(starts[1].pid)


def test_a_task_may_end(tmp_path: Path) -> None:
    statuses: list[int] = []
    supervisor = Supervisor(lambda line: None)
    supervisor.task(Child("Task", saying("done", 5), tmp_path / "log"), statuses.append)
    supervisor.watch(until=lambda: bool(statuses))
    assert statuses == [5]
    assert supervisor.pids == {}


def test_a_stop_goes_from_traffic_to_stores(tmp_path: Path) -> None:
    log = tmp_path / "order"
    supervisor = Supervisor(lambda line: None)

    def noting(name: str) -> Child:
        code = (
            "import signal, sys, time\n"
            f"def end(*_): open({str(log)!r}, 'a').write('{name} '); sys.exit(0)\n"
            "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(60)"
        )
        child = Child(name, [sys.executable, "-c", code], tmp_path / name)
        while child.last_line != "ready":
            time.sleep(0.02)
        return child

    supervisor.essential(noting("store"))
    supervisor.keep(lambda: noting("worker"), WORK)
    supervisor.keep(lambda: noting("api"), TRAFFIC)
    supervisor.stop()
    assert log.read_text().split() == ["api", "worker", "store"]
    assert TRAFFIC < WORK < STORE


def test_a_command_that_is_not_there_is_an_end_like_any_other(tmp_path: Path) -> None:
    child = ended(Child("Nothing", ["/nonexistent/program"], tmp_path / "log"))
    assert child.exit_status == 1
    assert "No such file" in child.last_line
