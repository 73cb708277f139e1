"""Answers about a handful of messages, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle import files, logs, periods, totals
from tests.oracle.answers import Oracle, within
from tests.oracle.messages import Message

HOUR_MS = 3_600_000
DAY_S = 86_400
# Thursday, 1970-01-01, is day 0; the questions are asked on Friday, day 8.
START, END = 7 * DAY_S, 8 * DAY_S
AS_OF_MS = END * 1000


def message(**fields: Any) -> Message:
    plain: dict[str, Any] = {
        "sid": "SM1",
        "user_id": 1,
        "at_ms": START * 1000,
        "direction": "outbound",
        "message_type": "sms",
        "country": "US",
        "segments": 1,
        "body_length": 10,
        "processing_us": None,
        "status": "delivered",
        "error_code": None,
        "base": 8_300,
        "carrier_fee": 0,
        "failed_fee": 0,
        "provisional": 0,
        "cost_source": "rate_card",
    }
    return Message(**(plain | fields))


MESSAGES = [
    message(at_ms=START * 1000 - 1, user_id=1),
    message(processing_us=1_000, segments=2, carrier_fee=700, provisional=9_000),
    message(at_ms=START * 1000 + HOUR_MS, direction="inbound", status="received", base=7_500),
    message(
        at_ms=START * 1000 + HOUR_MS + 899_999,
        status="failed",
        error_code=30008,
        base=0,
        failed_fee=1_000,
        country="DE",
        processing_us=3_000,
    ),
    message(at_ms=START * 1000 + 23 * HOUR_MS, user_id=2, message_type="mms", base=22_000),
    message(at_ms=START * 1000 + 23 * HOUR_MS, user_id=0, status="sent", country="ZZ"),
    message(at_ms=END * 1000, user_id=1),
]
ORACLE = Oracle(MESSAGES)


@pytest.fixture
def question() -> periods.Question:
    return periods.between(START, END, "UTC", float(END), AS_OF_MS)


def test_a_users_answer(question: periods.Question) -> None:
    answer = ORACLE.user(1, question)
    patterns = answer["usage_summary"].pop("usage_patterns")
    assert answer["usage_summary"] == {
        "total_messages": 3,
        "inbound_messages": 1,
        "outbound_messages": 2,
        "total_segments": 4,
        "total_message_length": 30,
        "success_rate": 2 / 3,
        "average_processing_time_ms": 2.0,
    }
    assert patterns["hourly_distribution"] == [1, 2, *([0] * 22)]
    assert patterns["weekday_distribution"] == [0, 0, 0, 3, 0, 0, 0]
    assert (patterns["peak_hour"], patterns["peak_weekday"]) == (1, 3)
    assert patterns["top_countries"] == [
        {"country_code": "US", "messages": 2},
        {"country_code": "DE", "messages": 1},
    ]
    assert answer["message_breakdown"]["by_direction"] == [
        {
            "key": "outbound",
            "messages": 2,
            "segments": 3,
            "cost_usd": 0.01,
            "cost_micros": 10_000,
        },
        {"key": "inbound", "messages": 1, "segments": 1, "cost_usd": 0.0075, "cost_micros": 7_500},
    ]
    assert answer["message_breakdown"]["by_status"] == [
        {"key": "delivered", "messages": 1},
        {"key": "failed", "messages": 1},
        {"key": "received", "messages": 1},
    ]
    assert answer["performance_metrics"]["error_codes"] == [
        {
            "error_code": 30008,
            "description": "Unknown error",
            "error_class": "retryable",
            "messages": 1,
        }
    ]
    assert answer["performance_metrics"]["processing_time_ms"] == {
        "average": 2.0,
        "p50": 1.0,
        "p95": 3.0,
        "p99": 3.0,
        "max": 3.0,
    }


def test_a_users_trend(question: periods.Question) -> None:
    trends = ORACLE.user(1, question)["usage_trends"]
    assert trends["granularity"] == "15min"
    before = {"start": START - DAY_S, "end": START}
    assert trends["previous_period"] == {**before, "total_messages": 1}
    assert (trends["change_ratio"], trends["direction"]) == (2.0, "up")
    assert len(trends["points"]) == 96
    assert trends["points"][4] == {
        "start": START + 3_600,
        "messages": 2,
        "inbound": 1,
        "outbound": 1,
        "segments": 2,
        "success_rate": 0.5,
        "cost_usd": 0.0085,
        "cost_micros": 8_500,
    }
    assert trends["points"][5]["messages"] == 0
    assert trends["points"][5]["success_rate"] is None


def test_a_users_costs(question: periods.Question) -> None:
    answer = ORACLE.user_costs(1, question)
    costs, trends = answer["cost_breakdown"], answer["cost_trends"]
    assert costs["total_cost_micros"] == 9_000 + 7_500 + 1_000
    assert costs["cost_per_delivered"] == pytest.approx(0.01)
    before = {"start": START - DAY_S, "end": START}
    assert trends["previous_period"] == before | {
        "total_cost_usd": 0.0083,
        "total_cost_micros": 8_300,
    }
    assert trends["change_ratio"] == pytest.approx((17_500 - 8_300) / 8_300)
    assert trends["direction"] == "up"
    assert trends["points"][4] == {
        "start": START + 3_600,
        "cost_usd": 0.0085,
        "cost_micros": 8_500,
    }


def _daily(question: periods.Question, user_id: int | None = None) -> list[Any]:
    own = within(ORACLE.of(user_id), question.start, question.end)
    return files.daily_rows(own, question.timezone)


def test_a_daily_report(question: periods.Question) -> None:
    rows = _daily(question, 1)
    assert [(row["direction"], row["country_code"]) for row in rows] == [
        ("inbound", "US"),
        ("outbound", "DE"),
        ("outbound", "US"),
    ]
    assert rows[1] == {
        "date": "1970-01-08",
        "direction": "outbound",
        "message_type": "sms",
        "country_code": "DE",
        "messages": 1,
        "segments": 1,
        "succeeded": 0,
        "failed": 1,
        "in_flight": 0,
        "canceled": 0,
        "cost_usd": 0.001,
        "cost_micros": 1_000,
        "carrier_fee_micros": 0,
        "failed_fee_micros": 1_000,
        "provisional_micros": 0,
    }
    everybody = _daily(question)
    assert sum(row["messages"] for row in everybody) == 5
    assert sum(row["in_flight"] for row in everybody) == 1


def test_days_of_a_report_are_local() -> None:
    question = periods.between(START, END, "America/St_Johns", float(END), None)
    assert {row["date"] for row in _daily(question, 1)} == {"1970-01-07"}
    assert {row["date"] for row in _daily(question, 2)} == {"1970-01-08"}


def test_a_log_is_newest_first() -> None:
    log = logs.log(ORACLE.of(1), logs.Filter(), "key")
    assert len(log) == 5
    assert [entry["error_code"] for entry in log] == [None, 30008, None, None, None]
    assert log[3]["processing_time_ms"] == 1.0
    assert log[3]["cost_micros"] == 9_000


def test_hours_are_local() -> None:
    question = periods.between(START, END, "America/St_Johns", float(END), None)
    patterns = ORACLE.user(1, question)["usage_summary"]["usage_patterns"]
    # 00:00 and 01:00 UTC are 20:30 and 21:30 of the day before; 01:14:59 is 21:44.
    assert patterns["hourly_distribution"][20:22] == [1, 2]
    assert patterns["weekday_distribution"][2] == 3


def test_the_systems_answer(question: periods.Question) -> None:
    answer = ORACLE.system(question)
    metrics = answer["system_metrics"]
    assert metrics["total_messages"] == 5
    assert metrics["active_users"] == 2
    assert metrics["success_rate"] == 3 / 4
    assert metrics["delivery"] == {
        "delivered": 2,
        "failed": 1,
        "in_flight": 1,
        "unknown": 0,
        "canceled": 0,
        "receipt_coverage": 3 / 4,
    }
    assert [item["key"] for item in metrics["by_country"]] == ["US", "DE", "ZZ"]
    assert answer["user_comparison"] == [
        {
            "user_id": 1,
            "messages": 3,
            "segments": 4,
            "success_rate": 2 / 3,
            "cost_usd": 0.0175,
            "cost_micros": 17_500,
            "share": 3 / 5,
        },
        {
            "user_id": 2,
            "messages": 1,
            "segments": 1,
            "success_rate": 1.0,
            "cost_usd": 0.022,
            "cost_micros": 22_000,
            "share": 1 / 5,
        },
    ]
    costs = answer["cost_analysis"]
    assert costs["total_cost_micros"] == 9_000 + 7_500 + 1_000 + 22_000 + 8_300
    assert costs["inbound_cost_micros"] == 7_500
    assert costs["mms_cost_micros"] == 22_000
    assert costs["carrier_fees_micros"] == 700
    assert costs["failed_fees_micros"] == 1_000
    assert costs["provisional_cost_micros"] == 9_000
    assert costs["cost_per_message"] == pytest.approx(0.00956)
    assert costs["cost_per_delivered"] == pytest.approx(0.0403 / 2)
    assert [item["user_id"] for item in costs["top_spenders"]] == [2, 1]
    assert costs["top_spenders"][0]["share"] == 22_000 / 47_800


def test_nothing_is_null_and_never_an_error() -> None:
    empty = periods.between(0, DAY_S, "UTC", float(END), None)
    answer = ORACLE.user(99, empty)
    assert answer["usage_summary"]["success_rate"] is None
    assert answer["usage_summary"]["usage_patterns"]["peak_hour"] is None
    assert answer["usage_trends"]["direction"] == "flat"
    assert answer["usage_trends"]["change_ratio"] is None
    assert set(answer["performance_metrics"]["processing_time_ms"].values()) == {None}
    system = ORACLE.system(empty)
    assert system["cost_analysis"]["cost_per_message"] is None
    assert system["user_comparison"] == []


def test_users_are_the_known_ones() -> None:
    assert ORACLE.users == [1, 2]


@pytest.mark.parametrize(
    ("at_ms", "as_of_ms", "outcome"),
    [
        (0, 900_000 + 72 * HOUR_MS, "unknown"),
        (0, 900_000 + 72 * HOUR_MS - 1, "in_flight"),
        (899_999, 900_000 + 72 * HOUR_MS, "unknown"),
        (900_000, 900_000 + 72 * HOUR_MS, "in_flight"),
        (0, None, "in_flight"),
    ],
)
def test_messages_become_unknown_72_hours_after_their_bucket(
    at_ms: int, as_of_ms: int | None, outcome: str
) -> None:
    waiting = [message(at_ms=at_ms, status="sent"), message(at_ms=at_ms, status="queued")]
    assert totals.delivery(waiting, as_of_ms)[outcome] == 2


def test_inbound_messages_have_no_delivery_and_canceled_ones_no_coverage() -> None:
    messages = [
        message(direction="inbound", status="receiving"),
        message(status="canceled"),
        message(status="read"),
        message(status="undelivered"),
        message(status="partially_delivered"),
    ]
    assert totals.delivery(messages, AS_OF_MS) == {
        "delivered": 1,
        "failed": 1,
        "in_flight": 1,
        "unknown": 0,
        "canceled": 1,
        "receipt_coverage": 2 / 3,
    }


@pytest.mark.parametrize(
    ("times", "p50", "p95", "p99"),
    [
        ([5], 5, 5, 5),
        ([1, 2], 1, 2, 2),
        ([3, 1, 2], 2, 3, 3),
        (list(range(1, 101)), 50, 95, 99),
        (list(range(1, 201)), 100, 190, 198),
        (list(range(1, 22)), 11, 20, 21),
    ],
)
def test_percentiles_are_nearest_rank(times: list[int], p50: int, p95: int, p99: int) -> None:
    found = totals.processing_time_ms([message(processing_us=1_000 * time) for time in times])
    assert (found["p50"], found["p95"], found["p99"]) == (p50, p95, p99)


@pytest.mark.parametrize(
    ("now", "direction"), [(99, "flat"), (98, "down"), (101, "flat"), (102, "up"), (0, "down")]
)
def test_direction_is_flat_within_one_percent(now: int, direction: str) -> None:
    before = [message(at_ms=at) for at in range(100)]
    after = [message(at_ms=DAY_S * 1000 + at) for at in range(now)]
    question = periods.between(DAY_S, 2 * DAY_S, "UTC", float(DAY_S), None)
    assert Oracle(before + after).user(1, question)["usage_trends"]["direction"] == direction
