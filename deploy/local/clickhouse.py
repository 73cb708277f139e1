"""Starts the embedded ClickHouse (`clickhouse_server`) as a child process."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import urllib3

from deploy.errors import Unusable
from deploy.local.children import Child

_PATIENCE_S = 60.0


def url(port: int, password: str, database: str = "default") -> str:
    """The `SMS_CLICKHOUSE_URL` of a server on this machine."""
    return f"http://default:{password}@127.0.0.1:{port}/{database}"


def command(directory: Path, port: int) -> list[str]:
    """The command that runs a server over a directory."""
    module = "deploy.local.clickhouse_server"
    return [sys.executable, "-m", module, "--path", str(directory), "--port", str(port)]


def start(directory: Path, port: int, password: str, log: Path) -> Child:
    """Start the server over a directory and wait until it answers.

    Raises Unusable when it does not come up.
    """
    environment = {"SMS_CLICKHOUSE_PASSWORD": password}
    server = Child("ClickHouse", command(directory, port), log, environment)
    try:
        if _wait(server, port):
            return server
        raise Unusable(f"ClickHouse did not start: {server.last_line} (see {log}).")
    except BaseException:
        server.kill()
        raise


def _wait(server: Child, port: int) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    with urllib3.PoolManager(retries=False) as pool:
        while server.exit_status is None and time.monotonic() < deadline:
            try:
                pool.request("GET", f"http://127.0.0.1:{port}/ping", timeout=5)
            except urllib3.exceptions.HTTPError:
                time.sleep(0.05)
            else:
                return True
    return False
