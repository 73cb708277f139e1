"""The usage log over a live database: filters, pages, timelines; nobody sees another's."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from fastapi.testclient import TestClient
from httpx import Response

from query_api.app import create_app
from query_api.settings import ApiSettings
from tests.query_api.conftest import Bearer
from tests.query_api.credentials import SECRET

pytestmark = pytest.mark.live

_PATH = "/api/v1/analytics/me/messages"
_NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
_NOW_MS = int(_NOW.timestamp() * 1000)
Line = dict[str, Any]


def line(number: int, **fields: Any) -> Line:
    """A row of `usage_log`: user 42's, `number` minutes before now."""
    plain = {
        "user_id": 42,
        "occurred_at": (_NOW_MS - number * 60_000) / 1000,
        "message_sid": f"SM{number:04d}",
        "version": 1,
        "direction": "outbound",
        "message_type": "sms",
        "country_code": "US",
        "status": "sent",
        "encoding": "GSM-7",
        "cost_source": "rate_card",
        "segments": 1,
    }
    return plain | fields


def _random_lines(count: int) -> list[Line]:
    dice = random.Random(2)
    return [
        line(
            # Some share a moment.
            number // 3,
            message_sid=f"SM{number:04d}",
            user_id=dice.choice((42, 42, 7)),
            direction=dice.choice(("inbound", "outbound")),
            country_code=dice.choice(("US", "GB")),
            status=dice.choice(("sent", "delivered", "failed")),
            error_code=dice.choice((None, None, 30008, -1)),
        )
        for number in range(count)
    ]


class Log:
    """The API over a usage log."""

    def __init__(self, client: TestClient, database: Client, bearer: Bearer) -> None:
        self.client, self.database, self.bearer = client, database, bearer

    def insert(self, *lines: Line) -> None:
        text = "\n".join(map(json.dumps, lines))
        self.database.raw_insert("usage_log", insert_block=text, fmt="JSONEachRow")

    def ask(self, path: str = "", user_id: int = 42, **parameters: Any) -> Response:
        headers = self.bearer(user_id=user_id)
        return self.client.get(_PATH + path, params=parameters, headers=headers)

    def sids(self, **parameters: Any) -> list[str]:
        """The sids of all pages."""
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.ask(**parameters, **cursor)
            assert page.status_code == 200, page.text
            found += [message["message_sid"] for message in page.json()["messages"]]
            if (following := page.json()["next_cursor"]) is None:
                return found
            cursor = {"cursor": following}


@pytest.fixture
def log(clickhouse_database: str, lasting_client: Client, bearer: Bearer) -> Iterator[Log]:
    settings = ApiSettings(jwt_secret=SECRET, clickhouse_url=clickhouse_database)
    app = create_app(settings, clock=_NOW.timestamp)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Log(client, lasting_client, bearer)


def _rfc(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def test_filters_and_pages(log: Log) -> None:
    lines = _random_lines(300)
    log.insert(*lines)
    mine = [row for row in lines if row["user_id"] == 42]
    mine.sort(key=lambda row: (row["occurred_at"], row["message_sid"]), reverse=True)
    since, until = _NOW_MS - 80 * 60_000, _NOW_MS - 20 * 60_000
    for wanted, parameters in (
        (lambda row: True, {}),
        (lambda row: row["direction"] == "inbound", {"direction": "inbound"}),
        (lambda row: row["status"] == "failed", {"status": "failed"}),
        (lambda row: row["country_code"] == "GB", {"country": "GB"}),
        (lambda row: row["error_code"] == -1, {"error_code": -1}),
        (
            lambda row: since <= row["occurred_at"] * 1000 < until,
            {"from": _rfc(since), "to": _rfc(until)},
        ),
        (
            lambda row: row["status"] == "sent" and row["error_code"] == 30008,
            {"status": "sent", "error_code": 30008},
        ),
    ):
        expected = [row["message_sid"] for row in mine if wanted(row)]
        assert expected
        for limit in (7, 1000):
            assert log.sids(limit=limit, **parameters) == expected, parameters


def test_what_is_shown_of_a_message(log: Log) -> None:
    failed = line(
        1, status="failed", error_code=21610, counterparty_hash=255, mcc_mnc="310410",
        failed_fee_micros=1000, base_micros=8300, carrier_fee_micros=3500, provisional_micros=11800,
        processing_us=1500, latency_ms=20, phone_hash=99, rate_origin="loaded",
    )  # fmt: skip
    log.insert(failed, line(2, encoding="unknown", error_code=5))
    first, second = log.ask().json()["messages"]
    assert first == {
        "message_sid": "SM0001",
        "occurred_at": "2026-11-03T11:59:00Z",
        "direction": "outbound",
        "message_type": "sms",
        "status": "failed",
        "error_code": 21610,
        "error_description": "Recipient opted out (STOP)",
        "error_class": "consent",
        "country_code": "US",
        "counterparty_hash": "00000000000000ff",
        "mcc_mnc": "310410",
        "segments": 1,
        "encoding": "GSM-7",
        "non_gsm_characters": 0,
        "num_media": 0,
        "body_length": 0,
        "processing_time_ms": 1.5,
        "latency_ms": 20,
        "cost_usd": 0.0128,
        "cost_micros": 12800,
        "carrier_fee_micros": 3500,
        "failed_fee_micros": 1000,
        "provisional_micros": 11800,
        "cost_source": "rate_card",
        "rate_origin": "loaded",
    }
    unknown = ("counterparty_hash", "mcc_mnc", "encoding", "processing_time_ms", "latency_ms")
    assert [second[name] for name in unknown] == [None] * 5
    assert (second["error_code"], second["error_description"]) == (5, None)


def test_a_timeline(log: Log) -> None:
    history = {
        "history_position": [1, 5, 9],
        "history_status": [5, 9, 3],
        "history_error_code": [None, 30008, None],
        "history_price_micros": [None, 8300, None],
        "history_at_ms": [_NOW_MS, _NOW_MS + 2000, _NOW_MS + 1000],
    }
    log.insert(line(1, status="failed", error_code=30008, **history))
    found = log.ask("/SM0001").json()
    assert found["user_id"] == 42
    assert found["status"] == "failed"
    assert [(entry["at"], entry["status"]) for entry in found["timeline"]] == [
        ("2026-11-03T12:00:00Z", "sent"),
        ("2026-11-03T12:00:01Z", "queued"),
        ("2026-11-03T12:00:02Z", "failed"),
    ]
    assert found["timeline"][2] == {
        "at": "2026-11-03T12:00:02Z",
        "status": "failed",
        "error_code": 30008,
        "error_description": "Unknown error",
        "error_class": "retryable",
        "price_usd": 0.0083,
        "price_micros": 8300,
    }


def test_a_message_of_which_nothing_more_was_said_has_one_entry(log: Log) -> None:
    log.insert(line(1), line(2, cost_source="provider", base_micros=7))
    log.insert(line(3, cost_source="provider", status="canceled"))
    for sid, price in (("SM0001", None), ("SM0002", 7), ("SM0003", None)):
        (entry,) = log.ask(f"/{sid}").json()["timeline"]
        assert entry["price_micros"] == price
        assert entry["at"] == log.ask(f"/{sid}").json()["occurred_at"]


@pytest.mark.parametrize("sid", ["a/b", "../", "'; DROP TABLE usage_log; --", "ü 😀"])
def test_a_sid_may_hold_any_character(sid: str, log: Log) -> None:
    log.insert(line(1, message_sid=sid), line(1, message_sid=sid + "2"), line(2))
    quoted = "/" + "".join(f"%{byte:02X}" for byte in sid.encode())
    assert log.ask(quoted).json()["message_sid"] == sid
    assert log.sids(limit=1) == [sid + "2", sid, "SM0002"]


def test_a_message_of_another_user_is_404(log: Log) -> None:
    log.insert(line(1, user_id=7))
    for sid in ("SM0001", "nothing"):
        answer = log.ask(f"/{sid}")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == "You have no message with this sid."
    assert log.ask("/SM0001", user_id=7).status_code == 200


def test_a_cursor_of_another_user_or_filter_is_refused(log: Log) -> None:
    log.insert(line(1), line(2))
    cursor = log.ask(limit=1).json()["next_cursor"]
    assert log.ask(limit=1, cursor=cursor).status_code == 200
    assert log.ask(limit=1, cursor=cursor, user_id=7).status_code == 422
    assert log.ask(limit=1, cursor=cursor, status="sent").status_code == 422


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("limit", 0),
        ("limit", 1001),
        ("direction", "sideways"),
        ("status", "unknown"),
        ("country", "usa"),
        ("error_code", 2**31),
        ("from", "yesterday"),
        ("to", "2026-13-01T00:00:00Z"),
        ("user_id", 7),
    ],
)
def test_what_cannot_be_asked(parameter: str, value: Any, log: Log) -> None:
    answer = log.ask(**{parameter: value}) if parameter != "user_id" else log.client.get(
        _PATH, params={"user_id": 7}, headers=log.bearer()
    )  # fmt: skip
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == parameter
