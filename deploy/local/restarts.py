"""How long to wait before a process that ended itself is started again."""

from __future__ import annotations

FIRST_S = 1.0
LONGEST_S = 30.0
SETTLED_S = 60.0
"""Who lived so long had started well: its next end counts as the first."""


class Backoff:
    """The pauses of one process: 1, 2, 4 … 30 s, from the beginning again once it has settled."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    def pause_s(self, lived_s: float) -> float:
        """The pause after an end, given how long the process had lived."""
        if lived_s >= SETTLED_S:
            self._next_s = FIRST_S
        pause = self._next_s
        self._next_s = min(2 * pause, LONGEST_S)
        return pause
