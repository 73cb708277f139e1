"""Watches the children of `up` and stops them in order.

Three kinds: an essential child, whose end ends everything; a kept one, started again with a
pause that grows; and a task, which may end. Everything happens in one thread, which has to live as
long as the children, because the kernel ties each child to the thread that started it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from deploy.errors import Unusable
from deploy.local.children import Child, stop_all
from deploy.local.restarts import Backoff

TRAFFIC, WORK, STORE = range(3)
"""The stages of a stop: first who asks or sends, then who folds, then who stores."""
_PATIENCE_S = {TRAFFIC: 2.0, WORK: 8.0, STORE: 4.0}
_TICK_S = 0.1

Say = Callable[[str], None]
"""Takes a line for the person at the terminal."""


@dataclass
class _Supervised:
    child: Child
    stage: int

    def ended(self) -> bool:
        """The child has ended; whether it is done with."""
        raise NotImplementedError


@dataclass
class _Essential(_Supervised):
    def ended(self) -> bool:
        raise Unusable(f"{obituary(self.child)} Everything else was stopped.")


@dataclass
class _Task(_Supervised):
    then: Callable[[int], None]

    def ended(self) -> bool:
        self.then(self.child.exit_status or 0)
        return True


@dataclass
class _Kept(_Supervised):
    start: Callable[[], Child]
    say: Say
    backoff: Backoff = field(default_factory=Backoff)
    began: float = field(default_factory=time.monotonic)
    due: float | None = None

    def ended(self) -> bool:
        now = time.monotonic()
        if self.due is None:
            pause = self.backoff.pause_s(now - self.began)
            self.due = now + pause
            self.say(f"{obituary(self.child)} It is started again in {pause:.0f} s.")
        elif now >= self.due:
            self.child, self.began, self.due = self.start(), now, None
        return False


class Supervisor:
    """Everything that was started, in the order of its start."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._all: list[_Supervised] = []

    @property
    def pids(self) -> dict[str, int]:
        """The process ids by name, of those that run."""
        children = (item.child for item in self._all)
        return {child.name: child.pid for child in children if child.exit_status is None}

    def essential(self, child: Child) -> None:
        """From now on the end of this child ends everything."""
        self._all.append(_Essential(child, STORE))

    def keep(self, start: Callable[[], Child], stage: int) -> None:
        """Start a child, and start it again whenever it has ended."""
        self._all.append(_Kept(start(), stage, start, self._say))

    def task(self, child: Child, then: Callable[[int], None]) -> None:
        """Call `then` with the exit status once this child has ended."""
        self._all.append(_Task(child, TRAFFIC, then))

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Tend to the children until a condition holds. Raises Unusable when an essential one
        has ended."""
        while not until():
            for item in list(self._all):
                item.child.keep_log_small()
                if item.child.exit_status is not None and item.ended():
                    self._all.remove(item)
            time.sleep(_TICK_S)

    def stop(self) -> None:
        """Stop all children stage by stage, within the sum of the stages' patience."""
        for stage, patience_s in _PATIENCE_S.items():
            stop_all(self._in(stage), patience_s)

    def _in(self, stage: int) -> Sequence[Child]:
        return [item.child for item in self._all if item.stage == stage]


def obituary(child: Child) -> str:
    """One sentence on a child that has ended: which, how, its last words, and where the log is."""
    status = child.exit_status
    how = f"was killed by signal {-status}" if status and status < 0 else f"ended ({status})"
    words = f": {child.last_line}" if child.last_line else ""
    return f"{child.name} {how}{words} (see {child.log})."
