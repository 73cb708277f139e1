"""Runs a command that must not outlive the process that started it: `guard.py PARENT_PID COMMAND…`.

On Linux the kernel itself kills the command when its parent dies, by whatever signal; elsewhere
this process stays, asks twice a second whether the parent is still there, and kills the command.
It is run as a plain file, without the packages around it, to cost a few milliseconds only.
"""

import ctypes
import os
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1
_PERIOD_S = 0.5


def main(parent: int, command: list[str]) -> int:
    """Become the command (Linux), or run it and return its exit status."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel knew
            return 1
        os.execvp(command[0], command)  # noqa: S606
    return _watch(parent, command)


def _watch(parent: int, command: list[str]) -> int:
    child = subprocess.Popen(command)  # noqa: S603
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: child.send_signal(number))
    while True:
        try:
            return child.wait(_PERIOD_S)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent:
                child.kill()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
