"""Points, totals and delivery from trend rows."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from query_api.trend import Totals, delivery, points
from query_api.zones import HOUR_S, clock_over
from tests.query_api.rows import trend_row


def _utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def test_a_day_on_which_the_clock_changes_is_one_point() -> None:
    zone = ZoneInfo("Europe/London")
    clock = clock_over(zone, _utc("2026-10-23T23:00"), _utc("2026-10-27T00:00"))
    change = _utc("2026-10-25T01:00")
    rows = [
        trend_row(_utc("2026-10-24T23:00"), messages=2, outbound=2, cost_micros=5),
        trend_row(change, messages=3, inbound=3, segments=4, good=1, bad=1),
        trend_row(_utc("2026-10-26T00:00"), messages=1, outbound=1),
    ]
    found = points(rows, clock, "day")
    assert [point.start.isoformat() for point in found] == [
        "2026-10-24T00:00:00+01:00",
        "2026-10-25T00:00:00+01:00",
        "2026-10-26T00:00:00+00:00",
    ]
    assert [point.messages for point in found] == [0, 5, 1]
    assert found[0].success_rate is None
    assert (found[1].inbound, found[1].outbound, found[1].segments) == (3, 2, 4)
    assert (found[1].success_rate, found[1].cost_usd, found[1].cost_micros) == (0.5, 5e-06, 5)


def test_hours_and_quarters_are_zero_filled() -> None:
    start = _utc("2026-03-01T00:15")
    clock = clock_over(ZoneInfo("UTC"), start, start + 2 * HOUR_S)
    found = points([trend_row(start, messages=1)], clock, "hour")
    assert [(point.start.strftime("%H:%M"), point.messages) for point in found] == [
        ("00:15", 1),
        ("01:00", 0),
        ("02:00", 0),
    ]
    assert len(points([], clock, "15min")) == 8


def test_delivery_counts_outbound_only_and_each_message_once() -> None:
    total = Totals.of(
        [
            trend_row(0, outbound=10, outbound_good=4, outbound_bad=1, outbound_canceled=2, good=9),
            trend_row(1, outbound=0, outbound_in_flight=3, outbound_unknown=1, inbound=5),
        ]
    )
    answer = delivery(total)
    assert (answer.delivered, answer.failed, answer.canceled) == (4, 1, 2)
    assert (answer.in_flight, answer.unknown) == (2, 1)
    assert answer.receipt_coverage == 5 / 8
    counted = answer.delivered + answer.failed + answer.canceled + answer.in_flight + answer.unknown
    assert counted == total.outbound


def test_nothing_sent_has_no_ratios() -> None:
    total = Totals.of([])
    assert total.success_rate is None
    assert delivery(total).receipt_coverage is None
