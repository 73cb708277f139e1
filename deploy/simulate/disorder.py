"""Disorder: groups of records leave in any order within a window; each group stays together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from deploy.simulate.records import Record


class Disorder:
    """Holds back up to `window` groups (0: none) and lets a random one go for each that comes."""

    def __init__(self, seed: int, window: int) -> None:
        self._rng = np.random.default_rng([seed, window])
        self._window = window
        self._held: list[list[Record]] = []

    def through(self, groups: list[list[Record]]) -> Iterator[list[Record]]:
        """The groups that may go now that these came."""
        if not self._window:
            yield from groups
            return
        places = self._rng.integers(self._window, size=len(groups)).tolist()
        for group, place in zip(groups, places, strict=True):
            if len(self._held) < self._window:
                self._held.append(group)
            else:
                released, self._held[place] = self._held[place], group
                yield released

    def rest(self) -> Iterable[list[Record]]:
        """Everything still held back, in random order; nothing is held afterwards."""
        order = self._rng.permutation(len(self._held)).tolist()
        held, self._held = self._held, []
        return [held[place] for place in order]
