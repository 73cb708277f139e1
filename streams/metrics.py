"""Every metric of the worker. No phone number, sid or user is ever a label."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("sms_worker_events_total", "Records folded, by what became of them", ["outcome"])
REJECTED = Counter("sms_worker_rejected_total", "Records sent to the dead letters", ["reason"])
DROPPED_CHUNKS = Counter(
    "sms_worker_dropped_chunks_total", "Chunks of an assignment that had ended, to be read again"
)
SKIPPED_OFFSETS = Counter(
    "sms_worker_skipped_offsets_total", "Offsets that hold no record (transaction markers)"
)
LOOKUPS = Counter("sms_worker_lookups_total", "Reads of ClickHouse while folding", ["what"])
COLD_CELLS = Counter("sms_worker_cold_cells_total", "Cells read back from ClickHouse", ["table"])
EVICTED_CELLS = Counter("sms_worker_evicted_cells_total", "Cells dropped from memory", ["table"])
FLUSHES = Counter("sms_worker_flushes_total", "Flushes made durable")
FLUSH_SECONDS = Histogram(
    "sms_worker_flush_seconds",
    "Time from a flush's snapshot to its durability",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
ROWS = Counter("sms_worker_rows_total", "Rows written to ClickHouse", ["table"])
RETRIES = Counter("sms_worker_retries_total", "Attempts that failed and are made again", ["what"])
WAITING = Gauge("sms_worker_backpressure", "1 while folding waits for ClickHouse")
PENDING = Gauge("sms_worker_pending_events", "Events folded but not durable")
HOT_CELLS = Gauge("sms_worker_hot_cells", "Cells in memory", ["table"])
LAG = Gauge("sms_worker_lag_records", "Records behind the log's end", ["partition"])
RATES = Gauge("sms_worker_rates", "Rates that messages are priced by, by origin", ["origin"])
PARTITIONS = Gauge("sms_worker_partitions", "Partitions being folded")
