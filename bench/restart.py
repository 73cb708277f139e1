"""How long a killed worker is out of service with a million hot cells: `python -m bench.restart`.

Events of many users are folded until so many cells are hot in all workers together; then one
worker is killed (SIGKILL), started again at once, and an event of each of its partitions is sent.
Out of service ends when everything sent is durable again.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import time
import urllib.request
from collections.abc import Callable

from bench.platform import Platform, peak_rss_mb, report, running
from bench.traffic import Traffic
from deploy.local.ports import free_port
from schemas.rows import USAGE_LOG
from schemas.units import BUCKET_MS, DAY_MS, floor_to

_HOT = re.compile(r'^sms_worker_hot_cells\{table="\w+"\} (\S+)$', re.MULTILINE)
_PATIENCE_S = 600.0
_OBJECTIVE_S = 60.0
_PROBES = 100
_SETTLING_S = 3.0


def main() -> int:
    """Run once and report; 1 if the worker takes longer than the objective."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cells", type=int, default=1_000_000)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--workers", type=int, default=1)
    options = arguments.parse_args()
    with running() as platform:
        return _Restart(platform, options.workers).measure(options.cells, options.events)


class _Restart:
    def __init__(self, platform: Platform, workers: int) -> None:
        self._platform = platform
        self._ports = {f"worker {number}": free_port() for number in range(1, workers + 1)}

    def measure(self, cells: int, events: int) -> int:
        # All in one bucket: most events have a cell of 15 minutes and one of a day.
        start_ms = floor_to(time.time_ns() // 1_000_000 - DAY_MS // 4, BUCKET_MS)
        traffic = Traffic(
            self._platform.bootstrap,
            users=events // 3,
            start_ms=start_ms,
            step_ms=BUCKET_MS / 2 / events,
        )
        for name in self._ports:
            self._start(name, 4 * cells)
        traffic.send(events)
        self._wait(lambda: self._platform.durable() == traffic.records)
        time.sleep(_SETTLING_S)  # cells are counted once a flush, a second later at most
        hot, rows = self._hot(), self._platform.count(USAGE_LOG)
        if hot < cells:
            raise RuntimeError(f"{hot:,} cells are hot, {cells:,} are wanted: give more --events")
        killed = next(iter(self._ports))
        child = self._platform.children[killed]
        os.kill(child.pid, signal.SIGKILL)
        began = time.monotonic()
        while child.exit_status is None:
            time.sleep(0.01)
        log_size = self._platform.log(killed).stat().st_size
        self._start(killed, 4 * cells)
        traffic.send(_PROBES)
        self._wait(lambda: "folding partitions" in self._log(killed, log_size))
        loaded_s = time.monotonic() - began
        self._wait(lambda: self._platform.durable() == traffic.records)
        took_s = time.monotonic() - began
        time.sleep(_SETTLING_S)
        figures = {
            "hot cells, messages in the usage log": f"{hot:,}, {rows:,}",
            "working set loaded": f"{loaded_s:.1f} s after the SIGKILL",
            "in service: all that was sent meanwhile is durable": f"{took_s:.1f} s",
            "hot cells after the restart": f"{self._hot():,}",
            "peak memory of the worker started again": (
                f"{peak_rss_mb(self._platform.children[killed].pid):,} MB"
            ),
        }
        report(self._platform, f"Restart, {len(self._ports)} worker(s)", figures)
        return int(took_s > _OBJECTIVE_S)

    def _start(self, name: str, limit: int) -> None:
        """A worker that keeps as many cells; a static member, as those of `up` are."""
        self._platform.start(
            name,
            "streams.worker",
            SMS_METRICS_PORT=str(self._ports[name]),
            SMS_INSTANCE_ID=name.replace(" ", "-"),
            SMS_MAX_HOT_CELLS=str(limit),
        )

    def _hot(self) -> int:
        """Cells in the memory of all workers."""
        total = 0
        for port in self._ports.values():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                total += sum(int(float(count)) for count in _HOT.findall(answer.read().decode()))
        return total

    def _log(self, name: str, since: int) -> str:
        return self._platform.log(name).read_bytes()[since:].decode(errors="replace")

    def _wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not until():
            for name, child in self._platform.children.items():
                if child.exit_status is not None:
                    raise RuntimeError(f"{name} ended: {child.last_line}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self._platform.durable():,} records are durable, no more")
            time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
