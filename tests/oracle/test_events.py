"""Exact numbers of events, worked out by hand."""

from __future__ import annotations

import pytest

from tests.oracle import events
from tests.oracle.events import Entry


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:01Z", 1_000),
        ("1970-01-01T00:00:00.5Z", 500),
        ("1970-01-01T00:00:00.0019Z", 1),
        ("1970-01-01T00:00:00.999999999Z", 999),
        ("1970-01-01T05:45:00.000+05:45", 0),
        ("1969-12-31T20:30:00.123-03:30", 123),
        ("2024-02-29t12:00:00z", 1_709_208_000_000),
    ],
)
def test_instants_are_cut_off_at_milliseconds(text: str, ms: int) -> None:
    assert events.instant_ms(text) == ms


@pytest.mark.parametrize(
    ("literal", "us"),
    [
        ("12", 12_000),
        ("0.0005", 0),
        ("0.0015", 2),
        ("1.0005", 1_000),
        ("1.0015", 1_002),
        ("1e2", 100_000),
        ("null", None),
    ],
)
def test_processing_time_is_rounded_half_even(literal: str, us: int | None) -> None:
    value = b'{"processing_time_ms":' + literal.encode() + b"}"
    assert events.processing_us(events.load(value)) == us


@pytest.mark.parametrize(
    ("event", "entry"),
    [
        ('"direction":"outbound-api"', Entry("sent", None, None, 0)),
        ('"direction":"inbound"', Entry("received", None, None, 0)),
        ('"status":"failed","error_code":30003', Entry("failed", 30003, None, 0)),
        ('"status":"sent","price":"-0.00750"', Entry("sent", None, 7_500, 0)),
        ('"status":"sent","price":"0.0000005"', Entry("sent", None, 0, 0)),
        ('"status":"sent","price":"-0.0000015"', Entry("sent", None, 2, 0)),
    ],
)
def test_entries(event: str, entry: Entry) -> None:
    value = f'{{{event},"occurred_at":"1970-01-01T00:00:00Z"}}'
    assert events.entry_of(events.load(value.encode())) == entry
