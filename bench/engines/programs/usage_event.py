"""What an event means for the job: the cell that it belongs to, and what it adds to it.

Written once for all engines in Python and run in their environments: standard library only.
"""

import os
import time
from datetime import datetime

BOOTSTRAP = os.environ.get("BENCH_BOOTSTRAP", "")
TOPIC = os.environ.get("BENCH_TOPIC", "")
GROUP = os.environ.get("BENCH_GROUP", "")
STATE = os.environ.get("BENCH_STATE", "")
WORKERS = int(os.environ.get("BENCH_WORKERS", "1"))
WORKER = int(os.environ.get("BENCH_WORKER", "0"))
PARTITIONS = int(os.environ.get("BENCH_PARTITIONS", "8"))
COUNTERS = 6
QUARTER_S = 900

_began = False


def began():
    """Tell the harness, once, that a record is here."""
    global _began
    if not _began:
        _began = True
        # Past sys.stdout, which Faust makes part of its log.
        os.write(1, f"first record at {time.time_ns() // 1_000_000}\n".encode())


def cell_of(event):
    """`user|bucket|direction|type|country` of a decoded event."""
    second = int(datetime.fromisoformat(event["occurred_at"]).timestamp())
    direction = "inbound" if event["direction"] == "inbound" else "outbound"
    return (
        f"{event['user_id']}|{second - second % QUARTER_S}|{direction}"
        f"|{event.get('message_type', 'sms')}|{event.get('country_code') or 'ZZ'}"
    )


def add(counters, event):
    """Add an event to the counters of its cell, in place."""
    counters[0] += 1
    counters[1] += event.get("segments", 1)
    counters[2] += event.get("body_length", 0)
    took_ms = event.get("processing_time_ms")
    if took_ms is not None:
        counters[3] += round(took_ms * 1000)
        counters[4] += 1
    counters[5] += event.get("status") == "delivered"
