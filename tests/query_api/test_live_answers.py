"""Both routes over a live database: every sum equals one made from the cells in plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client
from fastapi.testclient import TestClient

from query_api.app import create_app
from query_api.settings import ApiSettings
from tests.query_api.cells import Cell, insert, random_cells, total
from tests.query_api.conftest import Bearer
from tests.query_api.credentials import SECRET

pytestmark = pytest.mark.live

_BASE = "/api/v1/analytics"
# St. John's changed its clocks on 1 November, London on 25 October.
_NOW = datetime(2026, 11, 3, 12, 34, 56, tzinfo=UTC)
_COST = ("base_micros", "carrier_fee_micros", "failed_fee_micros")
_ENDS = ("start", "end")
_GOOD = ("status_delivered", "status_received", "status_read")
_BAD = ("status_failed", "status_undelivered")
_ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Europe/London", "Australia/Lord_Howe")
_RANGES: dict[str, dict[str, str]] = {
    "7d": {"time_range": "7d"},
    "30d": {"time_range": "30d"},
    "90d": {"time_range": "90d"},
    "a London day of 25 hours": {"start": "2026-10-24T23:00:00Z", "end": "2026-10-26T00:00:00Z"},
    "within a UTC day": {"start": "2026-10-25T00:15:00Z", "end": "2026-10-25T17:45:00Z"},
    "a week and a bit": {"start": "2026-10-25T00:15:00Z", "end": "2026-11-01T18:30:00Z"},
}


@dataclass(frozen=True)
class Filled:
    """A running API over a database that holds `cells`."""

    client: TestClient
    cells: list[Cell]
    bearer: Bearer

    def get(self, path: str, user_id: int = 1, **parameters: Any) -> dict[str, Any]:
        headers = self.bearer(user_id=user_id, roles=("user", "admin"))
        answer = self.client.get(_BASE + path, params=parameters, headers=headers)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def within(self, answer: dict[str, Any], user_id: int | None = None) -> list[Cell]:
        """The cells that an answer's period holds."""
        start, end = (
            datetime.fromisoformat(answer["period"][end]).timestamp() for end in ("start", "end")
        )
        return [
            cell
            for cell in self.cells
            if start <= cell["bucket"] < end and user_id in (None, cell["user_id"])
        ]


@pytest.fixture
def filled(clickhouse_database: str, lasting_client: Client, bearer: Bearer) -> Iterator[Filled]:
    start, end = _NOW - timedelta(days=100), _NOW + timedelta(minutes=15)
    cells = random_cells(int(start.timestamp()), int(end.timestamp()), 4000, seed=5)
    insert(lasting_client, cells)
    lasting_client.command(
        "INSERT INTO source_progress (source, next_offset, end_offset, as_of, partitions) "
        "VALUES (0, 9, 9, '2026-11-03 12:34:50.5', 1)"
    )
    settings = ApiSettings(jwt_secret=SECRET, clickhouse_url=clickhouse_database)
    app = create_app(settings, clock=_NOW.timestamp)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Filled(client, cells, bearer)


def _local(cell: Cell, zone: str) -> datetime:
    return datetime.fromtimestamp(cell["bucket"], ZoneInfo(zone))


def _rate(cells: list[Cell]) -> float | None:
    good, bad = total(cells, *_GOOD), total(cells, *_BAD)
    return good / (good + bad) if good + bad else None


def _by(cells: list[Cell], key: Callable[[Cell], Any], *names: str) -> dict[Any, int]:
    sums: Counter[Any] = Counter()
    for cell in cells:
        sums[key(cell)] += total([cell], *names)
    return dict(sums)


def test_a_users_numbers_in_every_zone_and_range(filled: Filled) -> None:
    for zone in _ZONES:
        for name, parameters in _RANGES.items():
            answer = filled.get("/me/sms-analytics", 3, timezone=zone, **parameters)
            cells = filled.within(answer, 3)
            assert cells, (zone, name)
            _check_summary(answer, cells, zone)
            _check_points(answer["usage_trends"], cells, zone)
            _check_delivery(answer["performance_metrics"]["delivery"], cells)
            _check_breakdown(answer["message_breakdown"], cells)


def _check_summary(answer: dict[str, Any], cells: list[Cell], zone: str) -> None:
    summary = answer["usage_summary"]
    assert summary["total_messages"] == total(cells, "messages")
    assert summary["total_segments"] == total(cells, "segments")
    assert summary["total_message_length"] == total(cells, "body_length")
    by_direction = _by(cells, lambda cell: cell["direction"], "messages")
    assert summary["inbound_messages"] == by_direction.get("inbound", 0)
    assert summary["outbound_messages"] == by_direction.get("outbound", 0)
    assert summary["success_rate"] == pytest.approx(_rate(cells))
    patterns = summary["usage_patterns"]
    hours = _by(cells, lambda cell: _local(cell, zone).hour, "messages")
    weekdays = _by(cells, lambda cell: _local(cell, zone).weekday(), "messages")
    assert patterns["hourly_distribution"] == [hours.get(hour, 0) for hour in range(24)]
    assert patterns["weekday_distribution"] == [weekdays.get(day, 0) for day in range(7)]


def _check_points(answer: dict[str, Any], cells: list[Cell], zone: str) -> None:
    points, granularity = answer["points"], answer["granularity"]
    starts = [datetime.fromisoformat(point["start"]).timestamp() for point in points]
    assert starts == sorted(starts)
    ends = [*starts[1:], float("inf")]
    for point, start, end in zip(points, starts, ends, strict=True):
        own = [cell for cell in cells if start <= cell["bucket"] < end]
        assert point["messages"] == total(own, "messages")
        assert point["segments"] == total(own, "segments")
        assert point["cost_micros"] == total(own, *_COST)
        assert point["success_rate"] == pytest.approx(_rate(own))
    walls = [datetime.fromisoformat(point["start"]) for point in points]
    assert [wall.utcoffset() for wall in walls] == [
        wall.astimezone(ZoneInfo(zone)).utcoffset() for wall in walls
    ]
    if granularity != "15min":
        assert all(wall.minute == 0 for wall in walls[1:])
    if granularity == "day":
        assert all(wall.hour == 0 for wall in walls[1:])


def _check_delivery(delivery: dict[str, Any], cells: list[Cell]) -> None:
    outbound = [cell for cell in cells if cell["direction"] == "outbound"]
    good, bad = total(outbound, *_GOOD), total(outbound, *_BAD)
    canceled = total(outbound, "status_canceled")
    messages = total(outbound, "messages")
    limit = (_NOW - timedelta(seconds=5.5, hours=72)).timestamp()
    old = [cell for cell in outbound if cell["bucket"] + 900 <= limit]
    unknown = total(old, "messages") - total(old, *_GOOD, *_BAD, "status_canceled")
    assert delivery == {
        "delivered": good,
        "failed": bad,
        "canceled": canceled,
        "unknown": unknown,
        "in_flight": messages - good - bad - canceled - unknown,
        "receipt_coverage": pytest.approx((good + bad) / (messages - canceled)),
    }


def _check_breakdown(breakdown: dict[str, Any], cells: list[Cell]) -> None:
    for name, column in (
        ("by_direction", "direction"),
        ("by_type", "message_type"),
        ("by_country", "country_code"),
    ):
        items = {item["key"]: item for item in breakdown[name]}
        for counter, names in (
            ("messages", ("messages",)),
            ("segments", ("segments",)),
            ("cost_micros", _COST),
        ):
            sums = _by(cells, lambda cell, column=column: cell[column], *names)  # type: ignore[misc]
            assert {key: item[counter] for key, item in items.items()} == sums
    statuses = {item["key"]: item["messages"] for item in breakdown["by_status"]}
    assert sum(statuses.values()) == total(cells, "messages")
    assert all(total(cells, f"status_{status}") == count for status, count in statuses.items())


def test_the_previous_period_and_the_change(filled: Filled) -> None:
    answer = filled.get("/me/sms-analytics", 3, time_range="30d", timezone="Europe/London")
    previous = answer["usage_trends"]["previous_period"]
    assert previous["start"] == "2026-09-05T00:00:00+01:00"
    assert previous["end"] == "2026-10-04T12:45:00+01:00"
    bounds = [datetime.fromisoformat(previous[name]).timestamp() for name in ("start", "end")]
    own = [cell for cell in filled.cells if cell["user_id"] == 3]
    before = total([cell for cell in own if bounds[0] <= cell["bucket"] < bounds[1]], "messages")
    assert previous["total_messages"] == before > 0
    now = answer["usage_summary"]["total_messages"]
    assert answer["usage_trends"]["change_ratio"] == pytest.approx((now - before) / before)


def test_the_system_and_its_users_in_every_zone_and_range(filled: Filled) -> None:
    for zone in _ZONES:
        for name, parameters in _RANGES.items():
            path = "/admin/sms-analytics/system"
            answer = filled.get(path, timezone=zone, limit=500, **parameters)
            cells = filled.within(answer)
            assert cells, (zone, name)
            _check_system(answer, cells, zone)
            _check_users(answer, cells)


def _check_system(answer: dict[str, Any], cells: list[Cell], zone: str) -> None:
    metrics, cost = answer["system_metrics"], answer["cost_analysis"]
    assert metrics["total_messages"] == total(cells, "messages")
    assert metrics["success_rate"] == pytest.approx(_rate(cells))
    assert metrics["active_users"] == len({cell["user_id"] for cell in cells} - {0})
    _check_points(metrics, cells, zone)
    _check_delivery(metrics["delivery"], cells)
    by_direction = _by(cells, lambda cell: cell["direction"], *_COST)
    assert cost["total_cost_micros"] == total(cells, *_COST)
    assert cost["inbound_cost_micros"] == by_direction.get("inbound", 0)
    assert cost["outbound_cost_micros"] == by_direction.get("outbound", 0)
    assert cost["carrier_fees_micros"] == total(cells, "carrier_fee_micros")
    assert cost["failed_fees_micros"] == total(cells, "failed_fee_micros")
    assert cost["provisional_cost_micros"] == total(cells, "provisional_micros")
    by_type = _by(cells, lambda cell: cell["message_type"], *_COST)
    assert cost["mms_cost_micros"] == by_type.get("mms", 0)


def _check_users(answer: dict[str, Any], cells: list[Cell]) -> None:
    users = {user["user_id"]: user for user in answer["user_comparison"]}
    messages = _by(cells, lambda cell: cell["user_id"], "messages")
    costs = _by(cells, lambda cell: cell["user_id"], *_COST)
    everything = messages.copy()
    messages.pop(0, None)
    costs.pop(0, None)
    assert {user_id: user["messages"] for user_id, user in users.items()} == messages
    assert {user_id: user["cost_micros"] for user_id, user in users.items()} == costs
    for user_id, user in users.items():
        assert user["share"] == pytest.approx(messages[user_id] / sum(everything.values()))
        own = [cell for cell in cells if cell["user_id"] == user_id]
        assert user["success_rate"] == pytest.approx(_rate(own))
    top = [spender["cost_micros"] for spender in answer["cost_analysis"]["top_spenders"]]
    assert top == sorted(costs.values(), reverse=True)[:10]


def test_pages_show_every_user_once_and_in_order(filled: Filled) -> None:
    for order_by in ("messages", "segments", "cost_usd", "success_rate"):
        for order in ("desc", "asc"):
            _check_pages(filled, order_by, order)


def _check_pages(filled: Filled, order_by: str, order: str) -> None:
    asked = {"time_range": "30d", "order_by": order_by, "order": order}
    path = "/admin/sms-analytics/system"
    whole = filled.get(path, limit=500, **asked)
    assert whole["next_cursor"] is None
    values = [-1 if u[order_by] is None else u[order_by] for u in whole["user_comparison"]]
    assert values == sorted(values, reverse=order == "desc")
    pages, cursor = [], ""
    while cursor is not None:
        page = filled.get(path, limit=4, **asked, **({"cursor": cursor} if cursor else {}))
        pages += page["user_comparison"]
        cursor = page["next_cursor"]
    assert pages == whole["user_comparison"]
    assert len(pages) == 11


def test_a_cursor_of_another_question_is_refused(filled: Filled) -> None:
    path = f"{_BASE}/admin/sms-analytics/system"
    headers = filled.bearer(roles=("admin",))
    first = filled.client.get(path, params={"limit": 2}, headers=headers).json()
    changed = {"limit": 2, "cursor": first["next_cursor"], "order_by": "cost_usd"}
    answer = filled.client.get(path, params=changed, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "cursor"


def test_support_staff_see_what_the_user_sees(filled: Filled) -> None:
    own = filled.get("/me/sms-analytics", 3, time_range="7d")
    seen = filled.get("/admin/users/3/sms-analytics", 1, time_range="7d")
    assert seen == own
    assert own["user_id"] == 3


def test_times_of_an_answer(filled: Filled) -> None:
    answer = filled.get("/me/sms-analytics", 3, timezone="Asia/Kathmandu")
    assert answer["time_range"] == "30d"
    assert answer["period"] == {
        "start": "2026-10-05T00:00:00+05:45",
        "end": "2026-11-03T18:30:00+05:45",
        "timezone": "Asia/Kathmandu",
    }
    assert answer["generated_at"] == "2026-11-03T12:34:56Z"
    assert answer["data_as_of"] == "2026-11-03T12:34:50.500000Z"


def test_a_user_without_messages_has_zeros(filled: Filled) -> None:
    answer = filled.get("/me/sms-analytics", 2**53 - 1, time_range="7d")
    summary = answer["usage_summary"]
    assert summary["total_messages"] == 0
    assert summary["success_rate"] is None
    assert summary["usage_patterns"]["peak_hour"] is None
    assert answer["usage_trends"]["direction"] == "flat"
    assert answer["usage_trends"]["change_ratio"] is None
    assert len(answer["usage_trends"]["points"]) == 6 * 24 + 13
    assert answer["message_breakdown"]["by_status"] == []
    assert answer["performance_metrics"]["processing_time_ms"]["p99"] is None


def test_the_projection_goes_to_the_end_of_the_local_month(filled: Filled) -> None:
    path = "/admin/sms-analytics/system"
    projection = filled.get(path, timezone="Asia/Kathmandu")["cost_analysis"]["projection"]
    assert projection["period_start"] == "2026-11-01T00:00:00+05:45"
    assert projection["period_end"] == "2026-12-01T00:00:00+05:45"
    start = datetime.fromisoformat(projection["period_start"]).timestamp()
    to_date = total([cell for cell in filled.cells if cell["bucket"] >= start], *_COST)
    assert projection["cost_to_date_micros"] == to_date
    assert projection["low"] < projection["projected_cost_usd"] < projection["high"]
    past = filled.get(path, start="2026-09-01T00:00:00Z", end="2026-10-01T00:00:00Z")
    assert past["cost_analysis"]["projection"] is None


def test_a_users_costs_in_every_zone_and_range(filled: Filled) -> None:
    for zone in _ZONES:
        for parameters in _RANGES.values():
            answer = filled.get("/me/sms-costs", 3, timezone=zone, **parameters)
            cells = filled.within(answer, 3)
            costs, trends = answer["cost_breakdown"], answer["cost_trends"]
            assert costs["total_cost_micros"] == total(cells, *_COST)
            assert costs["carrier_fees_micros"] == total(cells, "carrier_fee_micros")
            assert costs["failed_fees_micros"] == total(cells, "failed_fee_micros")
            assert costs["provisional_cost_micros"] == total(cells, "provisional_micros")
            usage = filled.get("/me/sms-analytics", 3, timezone=zone, **parameters)
            assert [(point["start"], point["cost_micros"]) for point in trends["points"]] == [
                (point["start"], point["cost_micros"]) for point in usage["usage_trends"]["points"]
            ]
            before = trends["previous_period"]
            start, end = (datetime.fromisoformat(before[name]).timestamp() for name in _ENDS)
            own = [c for c in filled.cells if c["user_id"] == 3 and start <= c["bucket"] < end]
            assert before["total_cost_micros"] == total(own, *_COST)
            assert before["start"] == usage["usage_trends"]["previous_period"]["start"]


def test_a_users_projection_and_advice(filled: Filled) -> None:
    answer = filled.get("/admin/users/3/sms-costs", 1)
    projection = answer["cost_trends"]["projection"]
    month = datetime.fromisoformat(projection["period_start"]).timestamp()
    own = [c for c in filled.cells if c["user_id"] == 3 and c["bucket"] >= month]
    assert projection["cost_to_date_micros"] == total(own, *_COST)
    assert projection["low"] <= projection["projected_cost_usd"] <= projection["high"]
    fees = total(filled.within(answer, 3), "failed_fee_micros")
    advice = {one["code"]: one for one in answer["optimization"]}
    assert advice["failed_fees"]["estimated_saving_micros"] == fees
    assert answer["optimization_tips"] == [one["message"] for one in answer["optimization"]]
    past = filled.get("/me/sms-costs", 3, start="2026-09-01T00:00:00Z", end="2026-10-01T00:00:00Z")
    assert past["cost_trends"]["projection"] is None
    assert past["cost_trends"]["granularity"] == "day"
