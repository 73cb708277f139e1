"""How soon an event is visible in the API at 1,000 events/s: `python -m bench.visible`.

While a simulated router sends, probe events of a user of their own are published one by one; the
time of each runs from its hand-over to the producer until the API counts it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime

from confluent_kafka import Producer

from bench.platform import Platform, report, running
from schemas.topics import USAGE

_PROBE_USER = 900_000_001
_POLL_S = 0.02


def main() -> int:
    """Run once and report; 1 if the 95th percentile is above 2 s."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rate", type=int, default=1000)
    arguments.add_argument("--probes", type=int, default=120)
    options = arguments.parse_args()
    with running() as platform:
        return _measure(platform, options.rate, options.probes)


def _measure(platform: Platform, rate: int, probes: int) -> int:
    platform.start_api()
    platform.start("worker", "streams.worker")
    platform.start("router", "deploy.cli", "simulate", "--rate", str(rate), "--users", "1000")
    time.sleep(15)
    producer = Producer(
        {"bootstrap.servers": platform.bootstrap, "partitioner": "murmur2_random", "linger.ms": 0}
    )
    first, began = _folded(platform), time.monotonic()
    times = sorted(_visible_after(platform, producer, number) for number in range(1, probes + 1))
    folded = (_folded(platform) - first) / (time.monotonic() - began)
    p95 = times[-(-95 * probes // 100) - 1]
    figures = {
        "traffic folded meanwhile": f"{folded:,.0f} events/s",
        "probes": str(probes),
        "visible after, median": f"{times[probes // 2]:.2f} s",
        "visible after, 95th percentile": f"{p95:.2f} s",
        "visible after, slowest": f"{times[-1]:.2f} s",
    }
    report(f"Visible in the API at {rate:,} events/s", figures)
    return 0 if p95 <= 2 else 1


def _visible_after(platform: Platform, producer: Producer, number: int) -> float:
    event = {
        "event_id": f"probe-{number}",
        "message_sid": f"probe-{number}",
        "user_id": _PROBE_USER,
        "direction": "outbound",
        "occurred_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    began = time.monotonic()
    producer.produce(USAGE, key=str(_PROBE_USER), value=json.dumps(event))
    producer.poll(0)
    while True:
        answer = platform.get("/me/sms-analytics?time_range=7d", _PROBE_USER)
        if answer["usage_summary"]["total_messages"] >= number:
            return time.monotonic() - began
        time.sleep(_POLL_S)


def _folded(platform: Platform) -> int:
    query = "SELECT sum(next_offset) FROM source_progress FINAL"
    return int(platform.client.query(query).result_rows[0][0])


if __name__ == "__main__":
    sys.exit(main())
