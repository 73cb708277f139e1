"""CPU and memory of processes and all that they started, from /proc."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def tree(roots: Iterable[int]) -> list[int]:
    """These processes and their descendants, as far as they are alive."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        if fields := _fields(stat):
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, open_ends = [], list(roots)
    while open_ends:
        pid = open_ends.pop()
        found.append(pid)
        open_ends += children.get(pid, [])
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds of processes and of the children that they have waited for."""
    return sum(sum(map(int, _of(pid)[11:15])) for pid in pids) / _TICKS


def reaped_cpu_s() -> float:
    """CPU seconds of all children of this process that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def rss_mb(pids: Iterable[int]) -> float:
    """The memory that processes hold now, pages that they share counted more than once."""
    return sum(int(_of(pid)[21]) for pid in pids) * _PAGE / 2**20


def _of(pid: int) -> list[str]:
    return _fields(Path(f"/proc/{pid}/stat")) or ["0"] * 52


def _fields(stat: Path) -> list[str]:
    """What stands behind the program's name: state, parent, …; empty when it is gone."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except OSError:
        return []
