"""The API as production runs it: a process of its own on a free port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.ports import free_port
from tests.query_api.credentials import SECRET

_PATIENCE_S = 60


@contextmanager
def served(directory: Path, **settings: str) -> Iterator[str]:
    """The address of `sms-analytics api` with settings `SMS_…`, given without prefix in small
    letters; it keeps its log in `directory`."""
    port = free_port()
    given = {"jwt_secret": SECRET, "api_port": str(port), **settings}
    environment = {name: text for name, text in os.environ.items() if not name.startswith("SMS_")}
    environment |= {f"SMS_{name.upper()}": text for name, text in given.items()}
    command = [Path(sys.executable).with_name("sms-analytics"), "api", "--data-dir", directory]
    with (directory / "api.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=directory, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"the API does not listen (exit code {process.poll()})")
