"""Hours whose cost is out of the ordinary: median and MAD per hour of the week. Pure.

The modified z-score of Iglewicz and Hoaglin (1993), (cost − median) / (1.4826 · MAD), which a few
extreme hours do not distort as they would a mean and a standard deviation.
"""

from __future__ import annotations

import numpy as np

from query_api.hours import HISTORY_DAYS, HOURS_OF_WEEK, Hours
from query_api.measures import usd
from query_api.sums import Floats, Numbers
from query_api.zones import LocalClock
from schemas.api.system import Anomaly

MAX_ANOMALIES = 20
_MIN_SAMPLES = 4
_MIN_DEVIATION = 5.0
_MAD_TO_SIGMA = 1.4826
# Below these a deviation is normal noise or pocket money, however regular the other weeks were.
_MIN_SPREAD_RATIO = 0.1
_MIN_SPREAD_MICROS = 10_000
METHOD = (
    f"Complete local hours that cost at least {_MIN_DEVIATION:g} robust standard deviations "
    "(1.4826 · MAD, but at least 10 % of the median and 0.01 USD) more or less than the median of "
    f"their hour of the week over the last {HISTORY_DAYS} days or the range asked for, if longer; "
    f"hours of the week with fewer than {_MIN_SAMPLES} samples are not judged. "
    f"The {MAX_ANOMALIES} that deviate most, largest first."
)


def anomalies(past: Hours, clock: LocalClock, start: int) -> list[Anomaly]:
    """The hours of `past` (see `hours.history`) from `start` on that are out of the ordinary."""
    if not len(past):
        return []
    of_week, costs = past.of_week, past.cost_micros
    medians = _medians(of_week, costs)
    spreads = _MAD_TO_SIGMA * _medians(of_week, np.abs(costs - medians[of_week]))
    spreads = np.maximum(np.maximum(spreads, _MIN_SPREAD_RATIO * medians), _MIN_SPREAD_MICROS)
    deviations = (costs - medians[of_week]) / spreads[of_week]
    has_samples = np.bincount(of_week, minlength=HOURS_OF_WEEK)[of_week] >= _MIN_SAMPLES
    is_odd = (past.start >= start) & has_samples & (np.abs(deviations) > _MIN_DEVIATION - 0.01)
    found = [
        _anomaly(clock, int(past.start[place]), int(costs[place]), centre, deviation)
        for place, centre, deviation in zip(
            np.flatnonzero(is_odd).tolist(),
            medians[of_week[is_odd]].tolist(),
            deviations[is_odd].tolist(),
            strict=True,
        )
    ]
    # What is shown is what is judged: deviations are rounded.
    found = [anomaly for anomaly in found if abs(anomaly.deviation) >= _MIN_DEVIATION]
    return sorted(found, key=lambda anomaly: (-abs(anomaly.deviation), anomaly.start))[
        :MAX_ANOMALIES
    ]


def _medians(of_week: Numbers, values: Numbers | Floats) -> Floats:
    """The median of the values of each hour of the week, 0 where there are none."""
    counts = np.bincount(of_week, minlength=HOURS_OF_WEEK)
    ordered = values[np.lexsort((values, of_week))]
    begins = np.cumsum(counts) - counts
    low, high = (
        ordered[np.minimum(begins + place, len(ordered) - 1)]
        for place in (np.maximum(counts - 1, 0) // 2, counts // 2)
    )
    return np.where(counts, (low + high) / 2, 0.0)


def _anomaly(
    clock: LocalClock, start: int, micros: int, centre: float, deviation: float
) -> Anomaly:
    return Anomaly(
        start=clock.moment(start),
        cost_usd=usd(micros),
        cost_micros=micros,
        median_cost_usd=usd(round(centre)),
        median_cost_micros=round(centre),
        deviation=round(deviation, 2),
        kind="spike" if deviation > 0 else "drop",
    )
