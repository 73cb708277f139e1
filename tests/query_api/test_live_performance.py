"""`/admin/sms-performance` over a live database: whole minutes of the window and no others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from fastapi.testclient import TestClient

from query_api.app import create_app
from query_api.settings import ApiSettings
from tests.query_api.cells import insert, random_cells
from tests.query_api.conftest import Bearer
from tests.query_api.credentials import SECRET

pytestmark = pytest.mark.live

_NOW = datetime(2026, 11, 3, 12, 34, 30, tzinfo=UTC)
_END = int(datetime(2026, 11, 3, 12, 35, tzinfo=UTC).timestamp())


@pytest.fixture
def client(clickhouse_database: str, lasting_client: Client) -> Iterator[TestClient]:
    rows = [
        {
            "bucket": _END - 60 * number,
            "direction": "outbound",
            "message_type": "sms",
            "country_code": "US",
            "source": 0,
            "version": 1,
            "messages": number % 7 + 1,
            "status_delivered": number % 7,
            "status_failed": 1,
            "processing_count": 1,
            "processing_sum_us": 1000 * number,
        }
        for number in range(1, 2000)
    ]
    text = "\n".join(map(json.dumps, rows))
    lasting_client.raw_insert("system_usage_1m", insert_block=text, fmt="JSONEachRow")
    insert(lasting_client, random_cells(_END - 3600, _END, 30, seed=1))
    lasting_client.command(
        "INSERT INTO source_progress (source, next_offset, end_offset, as_of, partitions) "
        "VALUES (0, 9, 12, '2026-11-03 12:34:20', 1)"
    )
    settings = ApiSettings(jwt_secret=SECRET, clickhouse_url=clickhouse_database)
    with TestClient(create_app(settings, clock=_NOW.timestamp)) as client:
        yield client


def _ask(client: TestClient, bearer: Bearer, **parameters: str) -> dict[str, Any]:
    path = "/api/v1/analytics/admin/sms-performance"
    answer = client.get(path, params=parameters, headers=bearer(roles=("admin",)))
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.mark.parametrize(
    ("window", "minutes"), [("15m", 15), ("1h", 60), ("6h", 360), ("12h", 720), ("24h", 1440)]
)
def test_a_window(window: str, minutes: int, client: TestClient, bearer: Bearer) -> None:
    found = _ask(client, bearer, window=window)["real_time_metrics"]
    numbers = range(1, minutes + 1)
    messages = sum(number % 7 + 1 for number in numbers)
    good = sum(number % 7 for number in numbers)
    assert found["total_messages"] == messages
    assert found["success_rate_percent"] == pytest.approx(100 * good / (good + minutes))
    assert found["average_response_time_ms"] == pytest.approx(sum(numbers) / minutes)
    assert found["messages_per_minute"] == pytest.approx(messages / (minutes - 0.5))


def test_the_whole_answer(client: TestClient, bearer: Bearer) -> None:
    found = _ask(client, bearer, timezone="Asia/Kathmandu", window="1h")
    assert found["window"] == "1h"
    assert found["period"] == {
        "start": "2026-11-03T17:20:00+05:45",
        "end": "2026-11-03T18:20:00+05:45",
        "timezone": "Asia/Kathmandu",
    }
    assert found["real_time_metrics"]["peak_hour"] == 17
    assert found["real_time_metrics"]["active_users"] > 0
    assert found["absent"] == ["sla_compliance", "alerts"]
    lag = {part["name"]: part for part in found["system_health"]["components"]}["lag"]
    assert (lag["lag_events"], lag["lag_seconds"]) == (3, 10)
    assert found["system_health"]["status"] == "ok"
    assert found["data_as_of"] == "2026-11-03T12:34:20Z"
