"""Shapes the rows of `cells.breakdown` and `system_breakdown`: cuts, statuses, processing, errors.

Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from query_api.measures import usd
from query_api.questions import Row, Rows
from schemas.api.usage import (
    BreakdownItem,
    CountryCount,
    ErrorCodeCount,
    MessageBreakdown,
    ProcessingTime,
    StatusCount,
)
from schemas.error_codes import ErrorName, error_names
from schemas.histogram import percentile
from schemas.statuses import STATUSES

TOP_COUNTRIES = 10
_US_PER_MS = 1000


def cost_micros(row: Row) -> int:
    """What the messages of a row cost in all."""
    return int(row["base_micros"] + row["carrier_fee_micros"] + row["failed_fee_micros"])


def cut(rows: Iterable[Row], by: str) -> list[BreakdownItem]:
    """Totals by one column, the most messages first, equal ones by key."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows:
        for place, value in enumerate((row["messages"], row["segments"], cost_micros(row))):
            sums[row[by]][place] += value
    items = [
        BreakdownItem(
            key=key, messages=messages, segments=segments, cost_usd=usd(cost), cost_micros=cost
        )
        for key, (messages, segments, cost) in sums.items()
        if messages or segments or cost
    ]
    return sorted(items, key=lambda item: (-item.messages, item.key))


def message_breakdown(rows: Rows) -> MessageBreakdown:
    """The four cuts of a user's messages."""
    return MessageBreakdown(
        by_direction=cut(rows, "direction"),
        by_type=cut(rows, "message_type"),
        by_status=_statuses(rows),
        by_country=cut(rows, "country"),
    )


def _statuses(rows: Rows) -> list[StatusCount]:
    counts = ((status, sum(row[f"status_{status}"] for row in rows)) for status in STATUSES)
    items = [StatusCount(key=status, messages=count) for status, count in counts if count]
    return sorted(items, key=lambda item: (-item.messages, item.key))


def top_countries(rows: Rows) -> list[CountryCount]:
    """The countries with most messages."""
    items = cut(rows, "country")[:TOP_COUNTRIES]
    return [CountryCount(country_code=item.key, messages=item.messages) for item in items]


def average_processing_ms(rows: Rows) -> float | None:
    """Over the messages that have a processing time."""
    count = sum(row["processing_count"] for row in rows)
    if count <= 0:
        return None
    return float(sum(row["processing_sum_us"] for row in rows) / count / _US_PER_MS)


def processing_time(rows: Rows) -> ProcessingTime:
    """Average and maximum of breakdown rows, percentiles of their merged histograms."""
    average = average_processing_ms(rows)
    if average is None:
        return ProcessingTime(average=None, p50=None, p95=None, p99=None, max=None)
    longest = max(row["processing_max_us"] for row in rows)
    counts = _merged_arrays(rows, "processing_bins", "processing_counts")
    return ProcessingTime(
        average=average,
        p50=_percentile_ms(counts, 0.50, longest),
        p95=_percentile_ms(counts, 0.95, longest),
        p99=_percentile_ms(counts, 0.99, longest),
        max=longest / _US_PER_MS,
    )


def _percentile_ms(counts: dict[int, int], rank: float, longest_us: int) -> float | None:
    """A bin's midpoint may lie above the longest value, which no percentile does."""
    value = percentile(counts, rank)
    return None if value is None else min(value, longest_us) / _US_PER_MS


def error_code_counts(rows: Rows) -> list[ErrorCodeCount]:
    """Error codes, the most frequent first, with their names; one without a name passes through."""
    counts = _merged_arrays(rows, "error_codes", "error_messages")
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [_error_code_count(code, messages) for code, messages in ordered]


def _merged_arrays(rows: Rows, keys: str, counts: str) -> dict[int, int]:
    """The sums of parallel arrays by key, without those that are 0."""
    sums: dict[int, int] = defaultdict(int)
    for row in rows:
        for key, count in zip(row[keys], row[counts], strict=True):
            sums[key] += count
    return {key: count for key, count in sums.items() if count}


def error_name(code: int | None) -> ErrorName | None:
    """What is known of an error code; None for one without a name, or without a code."""
    return None if code is None else error_names().get(code)


def _error_code_count(code: int, messages: int) -> ErrorCodeCount:
    name = error_name(code)
    return ErrorCodeCount(
        error_code=code,
        description=name.description if name else None,
        error_class=name.error_class if name else None,
        messages=messages,
    )
