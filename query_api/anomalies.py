"""Hours whose cost is out of the ordinary: median and MAD per hour of the week. Pure.

The modified z-score of Iglewicz and Hoaglin (1993), (cost − median) / (1.4826 · MAD), which a few
extreme hours do not distort as they would a mean and a standard deviation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from query_api.hours import HISTORY_DAYS, Hour
from query_api.measures import usd
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


def anomalies(past: Sequence[Hour], clock: LocalClock, start: int) -> list[Anomaly]:
    """The hours of `past` (see `hours.history`) from `start` on that are out of the ordinary."""
    samples: dict[int, list[int]] = defaultdict(list)
    for hour in past:
        samples[hour.of_week].append(hour.cost_micros)
    normal = {
        of_week: _centre_and_spread(costs)
        for of_week, costs in samples.items()
        if len(costs) >= _MIN_SAMPLES
    }
    found = [
        _anomaly(hour, clock, *normal[hour.of_week])
        for hour in past
        if hour.start >= start and hour.of_week in normal
    ]
    found = [anomaly for anomaly in found if abs(anomaly.deviation) >= _MIN_DEVIATION]
    return sorted(found, key=lambda anomaly: (-abs(anomaly.deviation), anomaly.start))[
        :MAX_ANOMALIES
    ]


def _centre_and_spread(costs: Sequence[int]) -> tuple[float, float]:
    centre = median(costs)
    mad = median(abs(cost - centre) for cost in costs)
    return centre, max(_MAD_TO_SIGMA * mad, _MIN_SPREAD_RATIO * centre, _MIN_SPREAD_MICROS)


def _anomaly(hour: Hour, clock: LocalClock, centre: float, spread: float) -> Anomaly:
    deviation = (hour.cost_micros - centre) / spread
    return Anomaly(
        start=clock.moment(hour.start),
        cost_usd=usd(hour.cost_micros),
        cost_micros=hour.cost_micros,
        median_cost_usd=usd(round(centre)),
        median_cost_micros=round(centre),
        deviation=round(deviation, 2),
        kind="spike" if deviation > 0 else "drop",
    )
