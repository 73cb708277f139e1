"""`sms-analytics up` and `simulate` as a user runs them: child processes of the test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from deploy.local.ports import free_port

CLI = Path(sys.executable).parent / "sms-analytics"
READY_WITHIN_S = 180.0


class Up:
    """One data directory and the `up` that runs on it, on ports of its own."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self._options = options
        self._ports = [free_port() for _ in range(3)]
        self._process: subprocess.Popen[bytes] | None = None
        self._log = directory.parent / f"{directory.name}.out"

    @property
    def url(self) -> str:
        """Root of the API."""
        return f"http://127.0.0.1:{self._ports[0]}"

    def start(self) -> None:
        """Start it; `wait_until_ready` says when it answers."""
        api, kafka, clickhouse = map(str, self._ports)
        ports = ["--api-port", api, "--kafka-port", kafka, "--clickhouse-port", clickhouse]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [CLI, "up", "--data-dir", self.directory, *ports, *self._options],
                stdout=log,
                stderr=log,
                start_new_session=True,
                # Tests ask for everything of everybody as one admin.
                env={**os.environ, "SMS_USER_REQUESTS_PER_MINUTE": "0"},
            )

    def kill(self) -> None:
        """SIGKILL it, which takes its children with it."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)

    def wait_until_ready(self) -> None:
        """Until /readyz is 200."""
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, self._log.read_text()
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.3)
        raise AssertionError(f"not ready after {READY_WITHIN_S} s: {self._log.read_text()}")

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run another command on the same data directory."""
        command = [CLI, *arguments, "--data-dir", self.directory]
        return subprocess.run(command, capture_output=True, text=True, **options)

    def simulate(self, *options: str) -> subprocess.Popen[bytes]:
        """Start the simulated router, on the addresses of this `up` even while it is down."""
        return subprocess.Popen(
            [CLI, "simulate", "--data-dir", self.directory, *options],
            stderr=subprocess.DEVNULL,
            env={**os.environ, "SMS_KAFKA_URL": f"kafka://127.0.0.1:{self._ports[1]}"},
        )

    def token(self, user_id: int, *options: str) -> str:
        """A development token."""
        return self.run("token", "--user-id", str(user_id), *options, check=True).stdout.strip()

    def get(self, path: str, token: str) -> Any:
        """The JSON answer of an API route."""
        request = urllib.request.Request(f"{self.url}/api/v1/analytics{path}")
        request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def runtime(self) -> dict[str, Any]:
        """Addresses of what runs, as `up` wrote them down."""
        found: dict[str, Any] = json.loads((self.directory / "runtime.json").read_text())
        return found
