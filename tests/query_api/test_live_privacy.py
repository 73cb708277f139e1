"""Consent, export and erasure: what is promised lies in the topic, and everybody has his own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.client import Client
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from deploy.topics import create_missing_topics
from query_api.app import create_app
from query_api.errors import UnavailableError
from query_api.settings import ApiSettings
from schemas.privacy import Consent, Erasure
from schemas.topics import PRIVACY, topics
from streams.compacted import show
from tests.query_api.conftest import Bearer
from tests.query_api.credentials import SECRET

pytestmark = pytest.mark.live

_BASE = "/api/v1/analytics"
_NOW = datetime(2026, 11, 3, 12, 34, 56, 789000, tzinfo=UTC)


class Topic:
    """Takes records, unless it `is_away`."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str, bytes]] = []
        self.is_away = False

    async def publish(self, topic: str, key: str, value: bytes) -> None:
        if self.is_away:
            raise UnavailableError("The message log cannot be reached.", reason="kafka")
        self.records.append((topic, key, value))

    async def log_of(self, topic: str) -> tuple[str, dict[int, int]]:
        if self.is_away:
            raise UnavailableError("The message log cannot be reached.", reason="kafka")
        return "topic-1", {0: 500, 1: 0}

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def app(clickhouse_database: str) -> FastAPI:
    settings = ApiSettings(jwt_secret=SECRET, clickhouse_url=clickhouse_database)
    return create_app(settings, clock=_NOW.timestamp)


@pytest.fixture
def topic() -> Topic:
    return Topic()


@pytest.fixture
def client(app: FastAPI, topic: Topic, lasting_client: Client) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        app.state.backend = replace(app.state.backend, publisher=topic)
        yield client


def _put(client: TestClient, headers: dict[str, str], analytics: bool) -> Response:
    body = {"analytics": analytics}
    answer: Response = client.put(f"{_BASE}/me/consent", json=body, headers=headers)
    return answer


def test_consent_is_granted_until_it_is_withdrawn(
    client: TestClient, topic: Topic, bearer: Bearer
) -> None:
    path, headers = f"{_BASE}/me/consent", bearer()
    granted = {"user_id": 42, "analytics": True, "recorded_at": None}
    assert client.get(path, headers=headers).json() == granted
    withdrawn = _put(client, headers, analytics=False)
    assert withdrawn.status_code == 200
    assert withdrawn.json() == {
        "user_id": 42,
        "analytics": False,
        "recorded_at": "2026-11-03T12:34:56.789000Z",
    }
    assert client.get(path, headers=headers).json() == withdrawn.json()
    assert client.get(path, headers=bearer(user_id=7)).json()["analytics"] is True
    # The same again changes nothing.
    assert _put(client, headers, analytics=False).json() == withdrawn.json()
    ((name, key, value),) = topic.records
    assert (name, key) == ("sms.privacy.v1", "42:consent")
    assert msgspec.json.decode(value, type=Consent) == Consent(
        42, False, "2026-11-03T12:34:56.789+00:00", 42
    )


@pytest.mark.parametrize("body", [{}, {"analytics": "perhaps"}, {"analytics": True, "user_id": 7}])
def test_what_is_no_decision(body: dict[str, Any], client: TestClient, bearer: Bearer) -> None:
    answer = client.put(f"{_BASE}/me/consent", json=body, headers=bearer())
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "by"), [("/me/data", 42), ("/admin/users/42/data", 1)], ids=["own", "by an admin"]
)
def test_an_erasure_is_accepted(
    path: str, by: int, client: TestClient, topic: Topic, bearer: Bearer
) -> None:
    headers = bearer(user_id=by, roles=("user", "admin"))
    answer = client.delete(_BASE + path, headers=headers)
    assert answer.status_code == 202
    receipt = answer.json()
    assert client.get(f"{_BASE}/me/erasures", headers=bearer(user_id=42)).json() == {
        "user_id": 42,
        "erasures": [receipt],
    }
    assert re.fullmatch("[0-9a-f]{32}", receipt.pop("receipt_id"))
    assert receipt == {
        "user_id": 42,
        "status": "accepted",
        "requested_at": "2026-11-03T12:34:56.789000Z",
        "completed_at": None,
        "removed": None,
        "files_gone_by": None,
        "topics_gone_by": "2026-11-17T12:34:56.789000Z",
        "usage_topic_retention_days": 7,
        "dead_letter_retention_days": 7,
    }
    ((name, key, value),) = topic.records
    assert (name, key) == ("sms.privacy.v1", "42:erasure")
    record = msgspec.json.decode(value, type=Erasure)
    assert (record.user_id, record.requested_by) == (42, by)
    assert (record.topic_id, record.log_ends) == ("topic-1", {"0": 500, "1": 0})
    log = client.get(f"{_BASE}/admin/audit", headers=headers).json()["entries"]
    (entry,) = [entry for entry in log if entry["method"] == "DELETE"]
    assert (entry["actor_id"], entry["subject_id"], entry["status"]) == (by, 42, 202)


def test_nothing_is_promised_while_the_log_is_away(
    client: TestClient, topic: Topic, bearer: Bearer, lasting_client: Client
) -> None:
    topic.is_away = True
    assert client.delete(f"{_BASE}/me/data", headers=bearer()).status_code == 503
    assert _put(client, bearer(), analytics=False).status_code == 503
    assert lasting_client.command("SELECT count() FROM privacy_requests") == 0


def test_an_export_has_everything_of_the_user_and_nothing_else(
    client: TestClient, bearer: Bearer, lasting_client: Client
) -> None:
    lines = [
        {
            "user_id": user_id,
            "occurred_at": _NOW.timestamp() - days * 86_400,
            "message_sid": sid,
            "phone_hash": 255,
            "cost_source": "rate_card",
        }
        for user_id, days, sid in ((42, 0, "=new"), (42, 300, "old"), (7, 1, "other"))
    ]
    text = "\n".join(map(json.dumps, lines))
    lasting_client.raw_insert("usage_log", insert_block=text, fmt="JSONEachRow")
    total = {
        "user_id": 42,
        "bucket": int(_NOW.timestamp()) // 900 * 900,
        "messages": 2,
        "version": 1,
    }
    total |= {"direction": "inbound", "message_type": "sms", "country_code": "US"}
    lasting_client.raw_insert("user_usage_15m", insert_block=json.dumps(total), fmt="JSONEachRow")
    _put(client, bearer(), analytics=False)
    client.delete(f"{_BASE}/me/data", headers=bearer())
    answer = client.get(f"{_BASE}/me/data-export", headers=bearer())
    assert answer.headers["content-disposition"].startswith('attachment; filename="sms-data_')
    body = answer.json()
    assert body["user_id"] == 42
    assert body["consent"]["analytics"] is False
    assert [each["analytics"] for each in body["consents"]] == [False]
    assert [each["status"] for each in body["erasures"]] == ["accepted"]
    assert body["phone_hashes"] == ["00000000000000ff"]
    (totals,) = body["totals"]
    assert (totals["date"], totals["messages"], totals["cost_micros"]) == ("2026-11-03", 2, 0)
    assert {"timeline", "latency_ms", "non_gsm_characters"} <= body["rows"][0].keys()
    assert [row["message_sid"] for row in body["rows"]] == ["old", "=new"]


def test_records_reach_the_real_topic(kafka: str, clickhouse_database: str, bearer: Bearer) -> None:
    create_missing_topics(kafka, topics())
    settings = ApiSettings(
        jwt_secret=SECRET, clickhouse_url=clickhouse_database, kafka_url=f"kafka://{kafka}"
    )
    with TestClient(create_app(settings)) as client:
        user_id = 4_242_424_242
        headers = bearer(user_id=user_id)
        for analytics in (False, True):
            assert _put(client, headers, analytics).status_code == 200
        assert client.delete(f"{_BASE}/me/data", headers=headers).status_code == 202
    found = show(kafka, PRIVACY)
    consent = msgspec.json.decode(found[f"{user_id}:consent"], type=Consent)
    assert consent.analytics is True
    assert msgspec.json.decode(found[f"{user_id}:erasure"], type=Erasure).user_id == user_id


def test_a_broker_that_is_not_there_is_503(clickhouse_database: str, bearer: Bearer) -> None:
    settings = ApiSettings(
        jwt_secret=SECRET, clickhouse_url=clickhouse_database, kafka_url="kafka://127.0.0.1:1"
    )
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        answer = _put(client, bearer(), analytics=False)
    assert answer.status_code == 503
    assert answer.json()["detail"] == "The message log cannot be reached."
