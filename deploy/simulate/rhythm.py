"""How busy people are at an hour of their week: one weight per time zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from deploy.simulate.countries import ZONES

HOUR_MS = 3_600_000
_ZONES = tuple(map(ZoneInfo, ZONES))

# Invented: quiet nights, a peak before noon and one after work.
_HOURS = np.array(
    [3, 2, 1, 1, 2, 4, 9, 22, 48, 70, 82, 80, 66, 62, 68, 70, 72, 78, 84, 70, 48, 28, 14, 6],
    dtype=np.float64,
)
_WEEKDAYS = np.array([1.0, 1.04, 1.02, 1.05, 1.1, 0.62, 0.45])


def zone_weights(at_ms: int) -> NDArray[np.float64]:
    """How busy each of `ZONES` is at a moment (ms since the epoch), relative to each other."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    local = [moment.astimezone(zone) for zone in _ZONES]
    hours: NDArray[np.float64] = _HOURS[[time.hour for time in local]]
    weekdays: NDArray[np.float64] = _WEEKDAYS[[time.weekday() for time in local]]
    return np.multiply(hours, weekdays)
