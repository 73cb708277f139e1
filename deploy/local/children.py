"""Child processes that write to a log file and die with this process, however it dies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_GUARD = Path(__file__).with_name("guard.py")
MOST_LOG_BYTES = 16 << 20
_TAIL_BYTES = 4096


class Child:
    """One process: started when made, in a session of its own so that a Ctrl-C at the terminal
    reaches only its parent, which then stops its children in order."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] = {}
    ) -> None:
        self.name = name
        self.log = log
        guarded = [sys.executable, "-IS", str(_GUARD), str(os.getpid()), *command]
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603
                guarded,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    @property
    def last_line(self) -> str:
        """The last line of its log, empty if there is none."""
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def keep_log_small(self) -> None:
        """Put the log aside, in place of the one before, once it has grown large.

        It is copied and emptied, not renamed: the process goes on appending to the same file.
        """
        if self.log.stat().st_size > MOST_LOG_BYTES:
            shutil.copyfile(self.log, self.log.with_suffix(".old.log"))
            os.truncate(self.log, 0)

    def terminate(self) -> None:
        """Ask it to stop, without waiting for it."""
        if self.exit_status is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self, patience_s: float) -> None:
        """Ask it to stop; kill it when it has not within `patience_s`."""
        self.terminate()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill it and wait until it is gone."""
        if self.exit_status is None:
            self._process.kill()
            self._process.wait()


def stop_all(children: Sequence[Child], patience_s: float) -> None:
    """Stop all of them at once; whichever still runs after `patience_s` is killed."""
    deadline = time.monotonic() + patience_s
    for child in children:
        child.terminate()
    for child in children:
        child.stop(max(0.0, deadline - time.monotonic()))
