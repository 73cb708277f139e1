"""Instants as RFC 3339 text, in the variety that routers write them."""

from __future__ import annotations

import numpy as np

from deploy.simulate.population import Ints

_MINUTE_MS = 60_000
_SUFFIXES = np.array(
    ["Z", "999999Z", "4567Z", "+00:00", "+05:45", "-03:30", "-08:00"], dtype=object
)
_OFFSETS_MS = np.array([0, 0, 0, 0, 345, -210, -480]) * _MINUTE_MS
_SHARES = [0.93, 0.01, 0.01, 0.01, 0.02, 0.01, 0.01]
"""Digits beyond milliseconds are to be cut off, not rounded; offsets move the local time."""


def rfc3339(rng: np.random.Generator, at_ms: Ints) -> list[str]:
    """One text per instant (ms since the epoch), mostly UTC with `Z`."""
    kinds = rng.choice(len(_SHARES), len(at_ms), p=_SHARES)
    local = np.datetime_as_string((at_ms + _OFFSETS_MS[kinds]).astype("datetime64[ms]"))
    return [
        text + suffix
        for text, suffix in zip(local.tolist(), _SUFFIXES[kinds].tolist(), strict=True)
    ]


def utc(at_ms: int) -> str:
    """One instant as `YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    return f"{np.datetime64(at_ms, 'ms')}Z"
