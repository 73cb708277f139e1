"""Waits for something that says why it is not there yet, and passes the reason on."""

from __future__ import annotations

import time
from collections.abc import Callable

_ASK_EVERY_S = 0.3
_SAY_EVERY_S = 20.0


class Patience:
    """A condition for `Supervisor.watch`: asks `reason` now and then, and when it takes long
    says what the reason is."""

    def __init__(
        self,
        reason: Callable[[], str | None],
        title: str,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reason = reason
        self._title = title
        self._say = say
        self._clock = clock
        self._asked = float("-inf")
        self._said = clock()

    def is_over(self) -> bool:
        """Whether there is no reason to wait any more."""
        now = self._clock()
        if now - self._asked < _ASK_EVERY_S:
            return False
        self._asked = now
        reason = self._reason()
        if reason and now - self._said >= _SAY_EVERY_S:
            self._said = now
            self._say(f"{self._title}: {reason}")
        return reason is None
