"""How fast a backfill is folded, written and visible: `python -m bench.backfill`.

1,000,000 records (1,000 users of Zipf volume over 24 h, 20 countries, 5 % duplicates) lie in the
log when the worker starts, so that only the product is measured and not the generator. The clock
runs from the worker's assignment until the API's system total is the number of messages sent.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from bench.platform import Platform, cpu_s, peak_rss_mb, report, running
from schemas.rows import CELL_TABLES, USAGE_LOG

_ASSIGNED = "folding partitions"
_PATIENCE_S = 600


def main() -> int:
    """Run once and report; 1 if the total is not what was sent."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--workers", type=int, default=1)
    options = arguments.parse_args()
    with running() as platform:
        return _measure(platform, options.events, options.workers)


def _measure(platform: Platform, events: int, workers: int) -> int:
    book = platform.directory / "ledger.ndjson"
    shape = ["--days", "1", "--users", "1000", "--duplicates", "0.05", "--events", str(events)]
    platform.run("deploy.cli", "simulate", *shape, "--prepare", str(book))
    platform.run("deploy.cli", "simulate", "--replay", str(book))
    messages, records = _sent(book)
    platform.start_api()
    names = [f"worker {number}" for number in range(1, workers + 1)]
    before = {name: cpu_s(child.pid) for name, child in platform.children.items()}
    for name in names:
        platform.start(name, "streams.worker")
    while not all(_ASSIGNED in platform.log(name).read_text(errors="replace") for name in names):
        time.sleep(0.02)
    began = time.monotonic()
    while _durable(platform) < records:
        time.sleep(0.1)
    durable_s, visible = time.monotonic() - began, 0
    while visible < messages and time.monotonic() - began < _PATIENCE_S:
        answer = platform.get("/admin/sms-analytics/system?time_range=7d", 1)
        visible = answer["system_metrics"]["total_messages"]
    took_s = time.monotonic() - began
    pids = {name: child.pid for name, child in platform.children.items()}
    used = {name: cpu_s(pid) - before.get(name, 0.0) for name, pid in pids.items()}
    rows = {table: _count(platform, table) for table in (USAGE_LOG, *CELL_TABLES)}
    figures = {
        "records in the log, distinct messages": f"{records:,}, {messages:,}",
        "folded, written and visible": f"{records / took_s:,.0f} events/s ({took_s:.1f} s)",
        "folded and written": f"{records / durable_s:,.0f} events/s",
        "cells per event": f"{sum(rows[table] for table in CELL_TABLES) / records:.2f}",
        "rows": ", ".join(f"{table} {count:,}" for table, count in rows.items()),
    }
    for name, pid in pids.items():
        figures[f"{name}: CPU per million, peak memory"] = (
            f"{used[name] / records * 1e6:.1f} s, {peak_rss_mb(pid)} MB"
        )
    report(f"Backfill, {workers} worker{'s' * (workers > 1)}", figures)
    return 0 if visible == messages else 1


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


def _durable(platform: Platform) -> int:
    query = "SELECT sum(next_offset) FROM source_progress FINAL"
    return int(platform.client.query(query).result_rows[0][0])


def _count(platform: Platform, table: str) -> int:
    return int(platform.client.query(f"SELECT count() FROM {table} FINAL").result_rows[0][0])


if __name__ == "__main__":
    sys.exit(main())
