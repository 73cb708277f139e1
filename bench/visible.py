"""How soon an event is visible in the API at 1,000 events/s: `python -m bench.visible`.

While a simulated router sends, probe events of a user of their own are published five times a
second, whether or not the earlier ones are visible yet, and that user's total is asked again and
again. A probe's time runs from its hand-over to the producer until an answer counts it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from datetime import UTC, datetime

from confluent_kafka import Producer

from bench.platform import Platform, report, running
from schemas.topics import USAGE

_PROBE_USER = 900_000_001
_PERIOD_S = 0.2
_PAUSE_S = 0.05
_SETTLING_S = 15.0
_PATIENCE_S = 60.0
_OBJECTIVE_S = 2.0


def main() -> int:
    """Run once and report; 1 if the 95th percentile is above the objective."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rate", type=int, default=1000)
    arguments.add_argument("--seconds", type=int, default=60)
    options = arguments.parse_args()
    with running() as platform:
        return _measure(platform, options.rate, options.seconds)


def _measure(platform: Platform, rate: int, seconds: int) -> int:
    platform.start_api()
    platform.start("worker", "streams.worker")
    platform.start("router", "deploy.cli", "simulate", "--rate", str(rate), "--users", "1000")
    time.sleep(_SETTLING_S)
    first, began = _folded(platform), time.monotonic()
    times = sorted(_probe(platform, round(seconds / _PERIOD_S)))
    folded = (_folded(platform) - first) / (time.monotonic() - began)
    figures = {
        "events folded meanwhile": f"{folded:,.0f} events/s",
        "probes": f"{len(times)}",
        "visible after, median": f"{_percentile(times, 50):.2f} s",
        "visible after, 95th percentile": f"{_percentile(times, 95):.2f} s",
        "visible after, 99th percentile": f"{_percentile(times, 99):.2f} s",
        "visible after, slowest": f"{times[-1]:.2f} s",
    }
    report(platform, f"Visible in the API at {rate:,} events/s", figures)
    return 0 if _percentile(times, 95) <= _OBJECTIVE_S else 1


def _probe(platform: Platform, probes: int) -> list[float]:
    """Seconds from publishing to visibility, of each probe."""
    producer = Producer(
        {"bootstrap.servers": platform.bootstrap, "partitioner": "murmur2_random", "linger.ms": 0}
    )
    began = time.monotonic()
    sent_at: list[float] = []
    times: list[float] = []
    while len(times) < probes:
        while len(sent_at) < probes and time.monotonic() >= began + len(sent_at) * _PERIOD_S:
            sent_at.append(time.monotonic())
            producer.produce(USAGE, _event(len(sent_at)), str(_PROBE_USER))
        producer.poll(0)
        time.sleep(_PAUSE_S)
        answer = platform.get("/me/sms-analytics?time_range=7d", _PROBE_USER)
        now, visible = time.monotonic(), answer["usage_summary"]["total_messages"]
        # One key, one partition: probes become visible in the order of their sending.
        times += [now - sent for sent in sent_at[len(times) : visible]]
        if sent_at and now > sent_at[-1] + _PATIENCE_S:
            raise RuntimeError(f"{visible} of {len(sent_at)} probes are visible")
    return times


def _event(number: int) -> str:
    return json.dumps(
        {
            "event_id": f"probe-{number}",
            "message_sid": f"probe-{number}",
            "user_id": _PROBE_USER,
            "direction": "outbound",
            "occurred_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
    )


def _percentile(ordered: list[float], percent: int) -> float:
    """Nearest rank."""
    return ordered[math.ceil(percent / 100 * len(ordered)) - 1]


def _folded(platform: Platform) -> int:
    query = "SELECT sum(next_offset) FROM source_progress FINAL"
    return int(platform.client.query(query).result_rows[0][0])


if __name__ == "__main__":
    sys.exit(main())
