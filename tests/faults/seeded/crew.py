"""Workers that are kept running, as a supervisor does, and suffer on demand."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from deploy.local.children import Child

_LOOK_EVERY_S = 0.1


class Crew:
    """So many workers as `size` says; one that ends is started again."""

    def __init__(self, directory: Path, environment: dict[str, str], size: int) -> None:
        self.points = directory / "points"
        self.points.mkdir()
        self._log = directory / "worker.log"
        self._environment = environment
        self._size = size
        self._workers: dict[int, Child] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.deaths = 0
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    @property
    def output(self) -> str:
        """All that the workers have written."""
        return self._log.read_text(errors="replace")

    def resize(self, size: int) -> None:
        """Have more or fewer workers; those that are too many are asked to stop."""
        with self._lock:
            self._size = size
            for number in [number for number in self._workers if number >= size]:
                self._workers.pop(number).stop(15)

    def kill(self, which: int) -> None:
        """SIGKILL one of them."""
        self._signal(which, signal.SIGKILL)

    def freeze(self, which: int) -> None:
        """SIGSTOP one of them."""
        self._signal(which, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT all of them."""
        for which in range(self._size):
            self._signal(which, signal.SIGCONT)

    def at(self, point: str, number: signal.Signals) -> None:
        """Have whichever worker passes a point next send itself a signal."""
        written = self.points / f".{point}"
        written.write_text(number.name)
        written.rename(self.points / point)

    def has_passed(self, point: str, within_s: float) -> bool:
        """Whether a worker has done so by now, or does in time."""
        deadline = time.monotonic() + within_s
        while (self.points / point).exists():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def forget(self, point: str) -> None:
        """Nobody need send itself a signal there any more."""
        (self.points / point).unlink(missing_ok=True)

    def stop(self) -> None:
        """Kill all of them."""
        self._over.set()
        self._thread.join()
        for worker in self._workers.values():
            worker.kill()

    def _signal(self, which: int, number: signal.Signals) -> None:
        with self._lock:
            worker = self._workers.get(which % self._size)
            if worker is not None and worker.exit_status is None:
                os.kill(worker.pid, number)

    def _keep(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            with self._lock:
                for number in range(self._size):
                    worker = self._workers.get(number)
                    if worker is None or worker.exit_status is not None:
                        self.deaths += worker is not None
                        self._workers[number] = self._start(number)

    def _start(self, number: int) -> Child:
        named = {"SMS_INSTANCE_ID": f"worker-{number}"}
        command = (sys.executable, "-m", "tests.faults.seeded.worker", str(self.points))
        return Child(f"worker {number}", command, self._log, self._environment | named)
