"""The comparison finds what differs and only that."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.oracle.compare import differences

EXPECTED: dict[str, Any] = {
    "user_id": 1,
    "usage_summary": {"total_messages": 3, "success_rate": 2 / 3, "peak_hour": None},
    "points": [{"start": 0, "cost_usd": 0.0123}, {"start": 900, "cost_usd": 0.0}],
    "processing_time_ms": {"average": 123.456, "p95": 200.0, "max": 300.0},
    "by_country": [{"key": "US", "messages": 2}, {"key": "DE", "messages": 1}],
    "projected_cost_micros": 1_000,
    "message": [5, 2.04],
    "messages": [{"user_id": 2}, {"user_id": 1}],
    "top_countries": [
        {"country_code": code, "messages": count}
        for code, count in (("US", 9), ("DE", 8), ("GB", 5), ("FR", 5), ("ES", 4), ("IT", 4))
    ],
}
ACTUAL: dict[str, Any] = EXPECTED | {
    "generated_at": "whenever",
    "message": "5 texts cost 2.0 times as much.",
    "points": [
        {"start": "1970-01-01T00:00:00Z", "cost_usd": 0.0123},
        {"start": "1970-01-01T05:45:00+05:30", "cost_usd": 0},
    ],
}


def test_equal_answers_do_not_differ() -> None:
    assert differences(ACTUAL, EXPECTED) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"user_id": 2}, "user_id: 2, not 1"),
        ({"user_id": "1"}, "user_id: '1', not 1"),
        ({"usage_summary": None}, "usage_summary: None, not an object"),
        ({"by_country": {}}, "by_country: {}, not a list"),
        ({"points": []}, "points: 0 items, not 2"),
        ({"by_country": EXPECTED["by_country"] * 2}, "by_country: the same key twice"),
        ({"by_country": EXPECTED["by_country"][:1]}, "by_country.key DE: absent"),
        (
            {"by_country": [*EXPECTED["by_country"], {"key": "FR", "messages": 0}]},
            "by_country.key FR: too much",
        ),
        ({"top_countries": EXPECTED["top_countries"][:4]}, "top_countries: 4 items of 6"),
    ],
)
def test_differences_are_named(change: dict[str, Any], line: str) -> None:
    assert differences(ACTUAL | change, EXPECTED) == [line]


@pytest.mark.parametrize(
    ("path", "value", "is_same"),
    [
        (("usage_summary", "success_rate"), 0.6666666666, True),
        (("usage_summary", "success_rate"), 0.66667, False),
        (("usage_summary", "success_rate"), None, False),
        (("usage_summary", "peak_hour"), 0, False),
        (("processing_time_ms", "p95"), 201.9, True),
        (("processing_time_ms", "p95"), 202.1, False),
        (("processing_time_ms", "average"), 123.457, False),
        (("processing_time_ms", "max"), 300.1, False),
        (("points", 0, "cost_usd"), 0.0123001, True),
        (("points", 0, "cost_usd"), 0.012301, False),
        (("points", 1, "cost_usd"), 0.000001, False),
        (("points", 1, "start"), "1970-01-01T00:15:01Z", False),
        (("points", 1, "start"), None, False),
        (("projected_cost_micros",), 1_001, True),
        (("projected_cost_micros",), 1_002, False),
        (("message",), "5 texts cost 2.0 times as much.", True),
        (("message",), "6 texts cost 2.0 times as much.", False),
        (("message",), "5 texts.", False),
        (("messages",), [{"user_id": 1}, {"user_id": 2}], False),
    ],
)
def test_tolerances(path: tuple[Any, ...], value: Any, is_same: bool) -> None:
    actual = deepcopy(ACTUAL)
    holder = actual
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    assert (differences(actual, EXPECTED) == []) is is_same


def test_a_missing_field_is_a_difference() -> None:
    actual = {name: value for name, value in ACTUAL.items() if name != "user_id"}
    assert differences(actual, EXPECTED) == ["user_id: absent"]


def test_which_of_equals_is_in_a_top_list_is_open() -> None:
    top = EXPECTED["top_countries"]
    assert differences(ACTUAL | {"top_countries": [*top[:4], top[5]]}, EXPECTED) == []
    (line,) = differences(ACTUAL | {"top_countries": [*top[1:5], top[0]]}, EXPECTED)
    assert line.startswith("top_countries: messages [8, 5, 5, 4, 9], not [9, 8")
    stranger = {"country_code": "XX", "messages": 4}
    assert differences(ACTUAL | {"top_countries": [*top[:4], stranger]}, EXPECTED) == [
        "top_countries.country_code XX: too much"
    ]
