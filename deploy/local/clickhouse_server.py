"""The embedded ClickHouse: `python -m deploy.local.clickhouse_server --path DIR --port N`.

A process of its own that speaks ClickHouse's HTTP interface over chDB, the real engine with
tables on disk. It is for one machine and for tests: it listens on the loopback address only.
Where `SMS_CLICKHOUSE_PASSWORD` is set, every query has to give that password. What was
acknowledged is in parts on disk, so a SIGKILL of this process loses nothing.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from deploy.local.clickhouse_engine import Engine, Limits
from deploy.local.clickhouse_http import Server
from deploy.local.locking import AlreadyLockedError, locked

_log = logging.getLogger(__name__)
_PATIENCE_S = 3.0


def main() -> int:
    """Serve until SIGTERM or SIGINT; 0 after a clean end, 1 when it cannot begin."""
    options = _options()
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(message)s")
    try:
        options.path.mkdir(parents=True, exist_ok=True)
        with locked(options.path / "server.lock"):
            _serve(options)
    except AlreadyLockedError as error:
        return _fail(f"Another ClickHouse process ({error.pid}) is running on {options.path}.")
    except OSError as error:
        return _fail(f"ClickHouse cannot run on {options.path}, port {options.port}: {error}.")
    return 0


def _serve(options: argparse.Namespace) -> None:
    memory = options.memory_mb << 20
    password = os.environ.get("SMS_CLICKHOUSE_PASSWORD", "")
    engine = Engine(options.path, Limits(memory, memory // 2))
    try:
        server = Server(("127.0.0.1", options.port), engine, password)
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _log.info("ClickHouse %s on http://127.0.0.1:%d", engine.version, server.server_port)
        stopped.wait()
        server.shutdown()
    finally:
        engine.close(_PATIENCE_S)
    _log.info("stopped")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The embedded ClickHouse.")
    parser.add_argument("--path", type=Path, required=True, help="directory of the tables")
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--memory-mb", type=int, default=_default_memory_mb())
    return parser.parse_args()


def _default_memory_mb() -> int:
    """Half of the machine's memory, at most 4 GiB."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(4096, total >> 21)


def _fail(sentence: str) -> int:
    print(sentence, file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    # Threads that serve a connection may still be inside the engine; what they wrote is on disk.
    os._exit(status)
