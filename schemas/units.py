"""Units shared by every table: log positions, sources and time buckets.

All are integers. Time is milliseconds since the Unix epoch in UTC; intervals are half-open.
"""

from __future__ import annotations

MINUTE_MS = 60_000
BUCKET_MS = 15 * MINUTE_MS
"""Every IANA zone's offset is a multiple of 15 minutes, so local days are whole buckets."""
DAY_MS = 86_400_000
MICROS_PER_USD = 1_000_000

OFFSET_BITS = 48
PARTITION_BITS = 16


def position(epoch: int, offset: int) -> int:
    """The place of one record in the log: later epochs come after all of the earlier ones.

    `epoch` counts log generations from 0, `offset` is Kafka's (0 … 2^48 − 1).
    """
    return (epoch << OFFSET_BITS) | offset


def epoch_of(position: int) -> int:
    """The log epoch of a position."""
    return position >> OFFSET_BITS


def offset_of(position: int) -> int:
    """The Kafka offset of a position."""
    return position & ((1 << OFFSET_BITS) - 1)


def source(epoch: int, partition: int) -> int:
    """The key that every row carries: which partition of which log epoch it was folded from."""
    return (epoch << PARTITION_BITS) | partition


def partition_of(source: int) -> int:
    """The Kafka partition of a source."""
    return source & ((1 << PARTITION_BITS) - 1)


def source_epoch(source: int) -> int:
    """The log epoch of a source."""
    return source >> PARTITION_BITS


def floor_to(ms: int, width_ms: int) -> int:
    """The start of the bucket of `width_ms` that holds `ms` (floors towards the past)."""
    return ms - ms % width_ms
