"""How fast a backfill is folded, written and visible: `python -m bench.backfill`.

1,000,000 records (1,000 users of Zipf volume over 24 h, 20 countries, 5 % duplicates) lie in the
log when the worker starts, so that only the product is measured and not the generator. The clock
runs from the worker's assignment, when it begins to read, until the API's system total is the
number of messages sent; CPU seconds are of the same span. The last line printed is JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.platform import Platform, cpu_s, peak_rss_mb, report, running
from deploy.local.ports import free_port
from schemas.rows import CELL_TABLES, USAGE_LOG

_ROWS = re.compile(r'^sms_worker_rows_total\{table="(\w+)"\} (\S+)$', re.MULTILINE)
_ASSIGNED = "folding partitions"
_PATIENCE_S = 600
# Asking costs the machine CPU too: this seldom it is below 1 % of what is measured.
_ASK_EVERY_S = 0.25


def main() -> int:
    """Run once and report; RuntimeError if the total does not become what was sent."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--workers", type=int, default=2, help="one a core, say")
    options = arguments.parse_args()
    with running() as platform:
        return _measure(platform, options.events, options.workers)


def _measure(platform: Platform, events: int, workers: int) -> int:
    messages, records = _fill(platform, events)
    platform.start_api()
    ports = _start_workers(platform, workers)
    pids = {name: child.pid for name, child in platform.children.items()}
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    began = time.monotonic()
    _wait(platform, lambda: platform.durable() == records)
    durable_s = time.monotonic() - began
    _wait(platform, lambda: _visible(platform) == messages)
    took_s = time.monotonic() - began
    used = {name: (cpu_s(pid) - before[name]) / records * 1e6 for name, pid in pids.items()}
    peaks = {name: peak_rss_mb(pid) for name, pid in pids.items()}
    rows = {table: platform.count(table) for table in (USAGE_LOG, *CELL_TABLES)}
    written = _written(ports)
    figures = {
        "records in the log, distinct messages": f"{records:,}, {messages:,}",
        "folded, written and visible": f"{records / took_s:,.0f} events/s ({took_s:.1f} s)",
        "folded and written": f"{records / durable_s:,.0f} events/s",
        "cells per event": f"{sum(rows[table] for table in CELL_TABLES) / records:.2f}",
    }
    for table, count in rows.items():
        figures[f"{table}: rows, written"] = f"{count:,}, {written[table]:,}"
    for name in pids:
        figures[f"{name}: CPU per million events, peak memory"] = (
            f"{used[name]:.1f} s, {peaks[name]} MB"
        )
    report(platform, f"Backfill, {workers} worker{'s' * (workers > 1)}", figures)
    summary = {
        "name": "sms-analytics",
        "job": "whole",
        "events": records,
        "events_per_s": round(records / took_s),
        "cpu_s_per_million": {name: round(seconds, 2) for name, seconds in used.items()},
        "peak_rss_mb": peaks,
        "rows_written": written,
    }
    print(json.dumps(summary))
    return 0


def _fill(platform: Platform, events: int) -> tuple[int, int]:
    """Put the records into the log; how many distinct messages and records they are."""
    book = platform.directory / "ledger.ndjson"
    shape = [
        "--days",
        "1",
        "--users",
        "1000",
        "--duplicates",
        "0.05",
        "--receipts",
        "0.3",
        "--events",
        str(events),
    ]
    platform.run("deploy.cli", "simulate", *shape, "--prepare", str(book))
    platform.run("deploy.cli", "simulate", "--replay", str(book))
    return _sent(book)


def _start_workers(platform: Platform, workers: int) -> list[int]:
    """Start them and wait until all begin to read; the ports of their metrics."""
    ports = {f"worker {number}": free_port() for number in range(1, workers + 1)}
    for name, port in ports.items():
        platform.start(name, "streams.worker", SMS_METRICS_PORT=str(port))
    logs = [platform.log(name) for name in ports]
    _wait(platform, lambda: all(_ASSIGNED in log.read_text(errors="replace") for log in logs))
    return list(ports.values())


def _wait(platform: Platform, until: Callable[[], bool]) -> None:
    """Wait for a condition; RuntimeError when a process ends before, or it never holds."""
    deadline = time.monotonic() + _PATIENCE_S
    while not until():
        for name, child in platform.children.items():
            if child.exit_status is not None:
                raise RuntimeError(f"{name} ended: {child.last_line}")
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"after {_PATIENCE_S} s {platform.durable():,} records are folded and"
                f" {_visible(platform):,} messages are visible"
            )
        time.sleep(_ASK_EVERY_S)


def _sent(book: Path) -> tuple[int, int]:
    """Distinct messages and records of the usage topic in a ledger."""
    sids, records = set(), 0
    with book.open(encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["kind"] != "mapping":
                records += 1
                sids.add(json.loads(entry["value"])["message_sid"])
    return len(sids), records


def _written(ports: Iterable[int]) -> Counter[str]:
    """Rows that the workers have inserted, by table: a cell that changes is written again."""
    written: Counter[str] = Counter()
    for port in ports:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            for table, count in _ROWS.findall(answer.read().decode()):
                written[table] += round(float(count))
    return written


def _visible(platform: Platform) -> int:
    answer = platform.get("/admin/sms-analytics/system?time_range=7d", 1)
    return int(answer["system_metrics"]["total_messages"])


if __name__ == "__main__":
    sys.exit(main())
