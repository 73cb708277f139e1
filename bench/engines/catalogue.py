"""All engines, in the order in which they run; a name selects those that begin with it."""

from __future__ import annotations

from collections.abc import Sequence

from bench.engines import jvm_engines, python_engines, sms_analytics
from bench.engines.engine import Engine


def engines(selected: Sequence[str] = ()) -> list[Engine]:
    """The engines whose names begin with one of these, all if there is none."""
    everything = [
        *python_engines.ceilings(),
        *python_engines.stock_faust(),
        *jvm_engines.kafka_streams(),
        *jvm_engines.flink(),
        python_engines.quix(),
        *python_engines.bytewax(),
        sms_analytics.core(),
        sms_analytics.whole(),
    ]
    if not selected:
        return everything
    beginnings = tuple(name.lower() for name in selected)
    found = [engine for engine in everything if engine.label.lower().startswith(beginnings)]
    if not found:
        raise ValueError(f"no engine is called {' or '.join(selected)}")
    return found
