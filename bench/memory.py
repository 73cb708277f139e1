"""Memory of the workers over very many messages of very many users: `python -m bench.memory`.

50,000,000 records of 1,000,000 users over ten days of event time (a tenth of them of a thousandth
of the users, 3 % duplicates and 15 % receipts, one in a hundred of them of any age) go through two
workers, as `up` runs them. They are sent in slices, and what is durable is deleted from the log, so
that the broker's disk stays small. After each slice the resident memory of each worker is read.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from bench.platform import Platform, peak_rss_mb, report, running
from bench.traffic import Traffic
from schemas.topics import USAGE
from schemas.units import BUCKET_MS, DAY_MS, floor_to

_SLICE = 500_000
_AHEAD = 1_000_000
_PATIENCE_S = 600.0
_FLAT_AFTER_RATIO = 0.2
_GROWTH_RATIO = 1.1
_LIMIT_MB = 4096
_ROWS = 25


def main() -> int:
    """Run once and report; 1 if the memory grows after a fifth of the events, or is too much."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=50_000_000)
    arguments.add_argument("--users", type=int, default=1_000_000)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--days", type=int, default=10, help="of event time")
    arguments.add_argument("--hot-cells", type=int, default=3_000_000, help="of each worker")
    options = arguments.parse_args()
    with running() as platform:
        return _measure(platform, options)


def _measure(platform: Platform, options: argparse.Namespace) -> int:
    workers = [f"worker {number}" for number in range(1, options.workers + 1)]
    for name in workers:
        settings = {
            "SMS_INSTANCE_ID": name.replace(" ", "-"),
            "SMS_MAX_HOT_CELLS": str(options.hot_cells),
        }
        platform.start(name, "streams.worker", **settings)
    traffic = Traffic(
        platform.bootstrap,
        users=options.users,
        start_ms=floor_to(time.time_ns() // 1_000_000 - options.days * DAY_MS, BUCKET_MS),
        step_ms=options.days * DAY_MS / options.events,
        skew=3.0,
        duplicates=0.03,
        receipts=0.15,
    )
    began, samples = time.monotonic(), []
    while traffic.records < options.events:
        traffic.send(min(_SLICE, options.events - traffic.records))
        is_last = traffic.records >= options.events
        durable = _wait(platform, traffic.records - (0 if is_last else _AHEAD))
        _forget(platform)
        now = [_rss_mb(platform.children[name].pid) for name in workers]
        samples.append((durable, now))
        print(f"{durable:,} durable after {time.monotonic() - began:,.0f} s: {now} MB", flush=True)
    took_s = time.monotonic() - began
    early = max(max(now) for durable, now in samples if durable <= _early(options.events, samples))
    late = max(max(now) for _, now in samples)
    step = -(-len(samples) // _ROWS)
    figures = {
        f"resident at {durable / 1e6:.1f} million": ", ".join(f"{mb:,} MB" for mb in now)
        for durable, now in (*samples[step - 1 : -1 : step], samples[-1])
    }
    peaks = ", ".join(f"{peak_rss_mb(platform.children[name].pid):,} MB" for name in workers)
    figures |= {
        "SMS_MAX_HOT_CELLS of each worker": f"{options.hot_cells:,}",
        "most in the first fifth, and later": f"{early:,} MB, {late:,} MB",
        "peak": peaks,
        "speed, sending and deleting included": f"{options.events / took_s:,.0f} events/s",
    }
    name = f"Memory, {options.events:,} messages of {options.users:,} users"
    report(platform, f"{name}, {len(workers)} worker(s)", figures)
    return int(late > _LIMIT_MB or late > early * _GROWTH_RATIO)


def _early(events: int, samples: list[tuple[int, list[int]]]) -> int:
    """The end of the first fifth, or the first sample."""
    return max(samples[0][0], int(events * _FLAT_AFTER_RATIO))


def _wait(platform: Platform, records: int) -> int:
    """Wait until so many records are durable; how many are."""
    deadline = time.monotonic() + _PATIENCE_S
    while (durable := platform.durable()) < records:
        for name, child in platform.children.items():
            if child.exit_status is not None:
                raise RuntimeError(f"{name} ended: {child.last_line}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{durable:,} records are durable, no more")
        time.sleep(0.2)
    return durable


def _forget(platform: Platform) -> None:
    """Delete from the log what is durable."""
    query = "SELECT source, next_offset FROM source_progress FINAL"
    rows = platform.client.query(query).result_rows
    admin = AdminClient({"bootstrap.servers": platform.bootstrap})
    gone = [TopicPartition(USAGE, source, offset) for source, offset in rows]
    for done in admin.delete_records(gone).values():
        done.result(30)


def _rss_mb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) // 1024


if __name__ == "__main__":
    sys.exit(main())
