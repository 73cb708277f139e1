"""Cuts, statuses, processing times and error codes from breakdown rows."""

from __future__ import annotations

import random

from query_api.breakdown import (
    average_processing_ms,
    cut,
    error_code_counts,
    message_breakdown,
    processing_time,
    top_countries,
)
from schemas.histogram import bin_of
from tests.query_api.rows import breakdown_row

_ROWS = [
    breakdown_row("inbound", "sms", "US", messages=3, segments=4, status_received=3),
    breakdown_row("outbound", "sms", "US", messages=2, segments=2, status_sent=2, base_micros=30),
    breakdown_row("outbound", "mms", "GB", messages=5, segments=5, status_read=4, status_failed=1,
                  base_micros=100, carrier_fee_micros=20, failed_fee_micros=3),
    breakdown_row("outbound", "sms", "FR"),
]  # fmt: skip


def test_cuts_are_in_order_of_messages_and_leave_out_nothing_but_nothing() -> None:
    countries = [item.model_dump() for item in cut(_ROWS, "country")]
    assert countries == [
        {"key": "GB", "messages": 5, "segments": 5, "cost_usd": 0.000123, "cost_micros": 123},
        {"key": "US", "messages": 5, "segments": 6, "cost_usd": 0.00003, "cost_micros": 30},
    ]
    answer = message_breakdown(_ROWS)
    assert [(item.key, item.messages) for item in answer.by_direction] == [
        ("outbound", 7),
        ("inbound", 3),
    ]
    assert [(item.key, item.messages) for item in answer.by_type] == [("mms", 5), ("sms", 5)]
    assert [(item.key, item.messages) for item in answer.by_status] == [
        ("read", 4),
        ("received", 3),
        ("sent", 2),
        ("failed", 1),
    ]


def test_the_ten_countries_with_most_messages() -> None:
    rows = [breakdown_row(country=f"A{chr(65 + n)}", messages=n) for n in range(1, 15)]
    found = top_countries(rows)
    assert [item.messages for item in found] == list(range(14, 4, -1))


def test_averages_are_over_messages_that_have_a_time() -> None:
    rows = [
        breakdown_row(messages=9, processing_count=2, processing_sum_us=3000),
        breakdown_row(messages=9, processing_count=1, processing_sum_us=6000),
    ]
    assert average_processing_ms(rows) == 3.0
    assert average_processing_ms([breakdown_row(messages=9)]) is None


def test_percentiles_are_nearest_rank_within_a_percent() -> None:
    dice = random.Random(7)
    times = sorted(int(dice.lognormvariate(9, 2)) for _ in range(5000))
    counts: dict[int, int] = {}
    for time in times:
        counts[bin_of(time)] = counts.get(bin_of(time), 0) + 1
    row = breakdown_row(
        processing_count=5000,
        processing_sum_us=sum(times),
        processing_max_us=times[-1],
        processing_bins=list(counts),
        processing_counts=list(counts.values()),
    )
    answer = processing_time([row])
    for found, rank in ((answer.p50, 2500), (answer.p95, 4750), (answer.p99, 4950)):
        assert found is not None
        assert abs(found * 1000 / times[rank - 1] - 1) < 0.01
    assert answer.max == times[-1] / 1000
    assert answer.average == sum(times) / 5000 / 1000


def test_no_percentile_is_above_the_maximum() -> None:
    row = breakdown_row(
        processing_count=1, processing_sum_us=1000, processing_max_us=1000,
        processing_bins=[bin_of(1000)], processing_counts=[1],
    )  # fmt: skip
    answer = processing_time([row])
    assert answer.p50 == answer.p99 == answer.max == 1.0


def test_without_times_there_are_none() -> None:
    answer = processing_time([breakdown_row(messages=3)])
    assert set(answer.model_dump().values()) == {None}


def test_error_codes_have_names_and_unknown_ones_pass_through() -> None:
    rows = [
        breakdown_row(error_codes=[-77, 30003, 30008], error_messages=[1, 1, 2]),
        breakdown_row(country="GB", error_codes=[30003, 30008], error_messages=[1, -2]),
    ]
    found = error_code_counts(rows)
    assert len(found) == 2
    assert found[0].description == "Unreachable destination handset"
    assert found[0].error_class == "retryable"
    assert found[1].model_dump() == {
        "error_code": -77,
        "description": None,
        "error_class": None,
        "messages": 1,
    }
