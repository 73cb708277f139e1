"""The real `redis-server` for tests, which can be stopped, frozen and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from deploy.local.ports import free_port

_WHERE = (
    "redis-server is not on PATH: `apt-get install redis-server` (Debian) or `brew install redis`"
)
_PATIENCE_S = 10


class RedisServer:
    """One server on a port of its own; nothing is written to disk."""

    def __init__(self, directory: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            if os.environ.get("CI"):
                pytest.fail(f"{_WHERE}; .ci/run installs it")
            pytest.skip(_WHERE)
        self._program, self._directory = program, directory
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.start()

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--dir", "."]
        self._process = subprocess.Popen(
            [self._program, *options], cwd=self._directory, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.02)
        self.stop()
        raise TimeoutError("redis-server does not listen")

    def stop(self) -> None:
        """End it; what it held is lost."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """From now on connections are taken and never answered."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo `freeze`."""
        self._process.send_signal(signal.SIGCONT)
