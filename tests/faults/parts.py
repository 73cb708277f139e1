"""The parts of `up`, started one by one, so that something can stand between them."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy import runtime
from deploy.data_dir import DataDirectory
from deploy.local.children import Child
from deploy.local.ports import free_port
from deploy.local.supervisor import TRAFFIC, WORK, Supervisor
from deploy.runtime import Runtime
from deploy.tokens import development_token

_CLI = (sys.executable, "-m", "deploy.cli")


class Parts:
    """A worker and an API on given back ends, supervised as `up` does it.

    Supervision happens within `watch` only, in the thread that made the parts. `deaths` is what
    the supervisor said about children that ended and were started again.
    """

    def __init__(self, directory: Path, kafka: str, clickhouse_url: str) -> None:
        self.deaths: list[str] = []
        self._directory = DataDirectory(directory)
        (directory / "logs").mkdir()
        self._supervisor = Supervisor(self.deaths.append)
        self._api_port, self._metrics_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self._api_port}"
        parts = Runtime(f"kafka://{kafka}", clickhouse_url, self.url, {})
        self._environment = runtime.environment(self._directory, parts)

    def start_worker(self, **settings: str) -> None:
        """Keep a worker running, with `SMS_…` settings of its own."""
        fixed = {"SMS_INSTANCE_ID": "worker-1", "SMS_METRICS_PORT": str(self._metrics_port)}
        command = (sys.executable, "-m", "streams.worker")
        self._supervisor.keep(lambda: self._child("Worker", command, **fixed, **settings), WORK)

    def start_api(self) -> None:
        """Keep an API running."""
        port = {"SMS_API_PORT": str(self._api_port)}
        self._supervisor.keep(lambda: self._child("API", (*_CLI, "api"), **port), TRAFFIC)

    def simulate(self, *options: str) -> Child:
        """Start a simulated router; it may end."""
        router = self._child("Simulator", (*_CLI, "simulate", *options))
        self._supervisor.task(router, lambda _: None)
        return router

    def watch(self, until: Callable[[], bool], within_s: float) -> bool:
        """Supervise until a condition holds; whether it did in time."""
        deadline = time.monotonic() + within_s
        holds = False

        def is_over() -> bool:
            nonlocal holds
            holds = until()
            return holds or time.monotonic() > deadline

        self._supervisor.watch(is_over)
        return holds

    def stop(self) -> None:
        """Stop everything."""
        self._supervisor.stop()

    def resident_bytes(self) -> int:
        """Memory of the worker that runs now, 0 if none does."""
        try:
            status = Path(f"/proc/{self._supervisor.pids['Worker']}/status").read_text()
        except (KeyError, OSError):
            return 0
        kilobytes = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        return int(next(kilobytes, "0")) * 1024

    def gauge(self, name: str) -> float | None:
        """A metric of the worker, summed over its labels unless `name` has them; None while it is
        not there."""
        try:
            text = _read(f"http://127.0.0.1:{self._metrics_port}/metrics")
        except OSError:
            return None
        samples = (line.rpartition(" ") for line in text.splitlines())
        values = [float(value) for key, _, value in samples if name in (key, key.partition("{")[0])]
        return sum(values) if values else None

    def readiness(self) -> tuple[int, dict[str, str]]:
        """Status of /readyz, and the detail of each check that is not ok."""
        try:
            status, text = 200, _read(f"{self.url}/readyz")
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read().decode()
        except OSError:
            return 0, {}
        checks = json.loads(text)["checks"]
        return status, {c["name"]: c["detail"] for c in checks if c["status"] != "ok"}

    def get(self, path: str, user_id: int, *roles: str) -> Any:
        """The JSON answer of an API route to a user with these roles."""
        now = int(time.time())
        token = development_token(
            self._directory, user_id, ["user", *roles], issued_at=now, expires_in_s=600
        )
        return json.loads(_read(f"{self.url}/api/v1/analytics{path}", token))

    def _child(self, name: str, command: tuple[str, ...], **environment: str) -> Child:
        return Child(name, command, self._directory.log(name), self._environment | environment)


def _read(url: str, token: str = "") -> str:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        text: str = answer.read().decode()
        return text
