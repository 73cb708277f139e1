"""Downloads over a live database: every row, in a form that spreadsheets and parsers take."""

from __future__ import annotations

import csv
import io
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client
from fastapi.testclient import TestClient
from httpx import Response

from query_api.app import create_app
from query_api.reports import COLUMNS
from query_api.settings import ApiSettings
from tests.query_api.cells import Cell, insert, random_cells, total
from tests.query_api.conftest import Bearer
from tests.query_api.credentials import SECRET

pytestmark = pytest.mark.live

_BASE = "/api/v1/analytics"
_ME, _SYSTEM, _EXPORT = "/me/sms-usage-report", "/admin/sms-usage-report", "/admin/cost-export"
_NOW = datetime(2026, 11, 3, 12, 34, 56, tzinfo=UTC)
_COST = ("base_micros", "carrier_fee_micros", "failed_fee_micros")
_SIDS = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "＝1",
    'quo"te',
    "com,ma",
    "new\nline",
    "ünïcode😀",
)


@dataclass(frozen=True)
class Filled:
    """A running API over a database that holds `cells`."""

    client: TestClient
    cells: list[Cell]
    bearer: Bearer
    database: Client

    def get(self, path: str, user_id: int = 3, **parameters: Any) -> Response:
        headers = self.bearer(user_id=user_id, roles=("user", "admin"))
        answer: Response = self.client.get(_BASE + path, params=parameters, headers=headers)
        return answer

    def rows(self, path: str, **parameters: Any) -> list[dict[str, str]]:
        answer = self.get(path, **parameters)
        assert answer.status_code == 200, answer.text
        return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8"), newline="")))


@pytest.fixture
def filled(clickhouse_database: str, lasting_client: Client, bearer: Bearer) -> Iterator[Filled]:
    start, end = _NOW - timedelta(days=60), _NOW
    cells = random_cells(int(start.timestamp()), int(end.timestamp()), 2000, seed=5)
    insert(lasting_client, cells)
    settings = ApiSettings(jwt_secret=SECRET, clickhouse_url=clickhouse_database)
    app = create_app(settings, clock=_NOW.timestamp)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Filled(client, cells, bearer, lasting_client)


def _log(filled: Filled, count: int) -> list[dict[str, Any]]:
    dice = random.Random(1)
    lines = [
        {
            "user_id": dice.choice((0, 3, 3, 4)),
            "occurred_at": (_NOW - timedelta(seconds=dice.randrange(40 * 86_400))).timestamp(),
            "message_sid": _SIDS[number] if number < len(_SIDS) else f"SM{number:06d}",
            "version": 1,
            "direction": "outbound",
            "message_type": "sms",
            "country_code": "US",
            "status": "sent",
            "encoding": "GSM-7",
            "cost_source": "rate_card",
            "error_code": dice.choice((None, -5)),
            "base_micros": dice.randrange(10_000),
        }
        for number in range(count)
    ]
    lines[: len(_SIDS)] = [line | {"user_id": 3} for line in lines[: len(_SIDS)]]
    text = "\n".join(map(json.dumps, lines))
    filled.database.raw_insert("usage_log", insert_block=text, fmt="JSONEachRow")
    return lines


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/St_Johns"])
@pytest.mark.parametrize("user_id", [3, None])
def test_daily_rows_are_the_cells(user_id: int | None, zone: str, filled: Filled) -> None:
    expected: Counter[tuple[str, ...]] = Counter()
    costs: Counter[tuple[str, ...]] = Counter()
    start = datetime(2026, 10, 5, tzinfo=ZoneInfo(zone)).timestamp()
    for cell in filled.cells:
        if cell["bucket"] >= start and user_id in (None, cell["user_id"]):
            day = str(datetime.fromtimestamp(cell["bucket"], ZoneInfo(zone)).date())
            key = (day, cell["direction"], cell["message_type"], cell["country_code"])
            expected[key] += cell["messages"]
            costs[key] += total([cell], *_COST)
    rows = filled.rows(_ME if user_id else _SYSTEM, timezone=zone)
    keys = [tuple(row[name] for name in COLUMNS["user_daily_report"][:4]) for row in rows]
    assert keys == sorted(keys)
    assert {key: int(row["messages"]) for key, row in zip(keys, rows, strict=True)} == expected
    assert {key: int(row["cost_micros"]) for key, row in zip(keys, rows, strict=True)} == costs
    assert all(round(float(row["cost_usd"]) * 1e6) == int(row["cost_micros"]) for row in rows)


def test_a_row_for_each_message(filled: Filled) -> None:
    lines = _log(filled, 500)
    start = datetime(2026, 10, 5, tzinfo=UTC).timestamp()
    for path, users in ((_ME, {3}), (_SYSTEM, {0, 3, 4})):
        wanted = sorted(
            (
                (line["occurred_at"], line["message_sid"])
                for line in lines
                if line["user_id"] in users and line["occurred_at"] >= start
            ),
        )
        rows = filled.rows(path, detail="messages")
        moments = [datetime.fromisoformat(row["occurred_at"]).timestamp() for row in rows]
        assert moments == sorted(moments)
        found = zip(moments, (row["message_sid"].removeprefix("'") for row in rows), strict=True)
        assert sorted(found) == wanted
        answer = filled.get(path, detail="messages", format="json").json()
        objects = [(row["occurred_at"], row["message_sid"]) for row in answer["rows"]]
        assert [sid for _, sid in objects] == [sid.removeprefix("'") for sid in
                                               (row["message_sid"] for row in rows)]  # fmt: skip


def test_no_cell_is_a_formula(filled: Filled) -> None:
    _log(filled, len(_SIDS))
    rows = filled.rows(_ME, detail="messages", time_range="90d")
    sids = {row["message_sid"] for row in rows}
    assert sids == {sid if sid[0] not in "=+-@\t＝" else f"'{sid}" for sid in _SIDS}
    for row in rows:
        numbers = {"error_code"}
        assert not any(
            value.startswith(("=", "+", "-", "@", "\t", "\r"))
            for name, value in row.items()
            if name not in numbers
        )
        assert row["error_code"] in ("", "-5")


def test_the_form_of_csv(filled: Filled) -> None:
    answer = filled.get(_ME)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="sms-usage-report_2026-10-05_2026-11-03.csv"'
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    lines = answer.content.split(b"\r\n")
    assert lines[-1] == b""
    assert b"\n" not in b"".join(lines)
    assert lines[0].decode() == ",".join(f'"{name}"' for name in COLUMNS["user_daily_report"])
    with_bom = filled.get(_ME, bom="true")
    assert with_bom.content == b"\xef\xbb\xbf" + answer.content


def test_the_form_of_json(filled: Filled) -> None:
    answer = filled.get(_ME, format="json", timezone="Asia/Kathmandu")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"].endswith('.json"')
    body = answer.json()
    assert body["user_id"] == 3
    assert body["time_range"] == "30d"
    assert body["period"] == {
        "start": "2026-10-05T00:00:00+05:45",
        "end": "2026-11-03T18:30:00+05:45",
        "timezone": "Asia/Kathmandu",
    }
    table = filled.rows(_ME, timezone="Asia/Kathmandu")
    assert [list(row) for row in body["rows"]] == [list(row) for row in table]
    assert [{name: str(row[name]) for name in ("date", "messages")} for row in body["rows"]] == [
        {name: row[name] for name in ("date", "messages")} for row in table
    ]
    assert all(isinstance(row["cost_usd"], float | int) for row in body["rows"])


@pytest.mark.parametrize("detail", ["daily", "messages"])
def test_nothing_to_report(detail: str, filled: Filled) -> None:
    assert filled.rows(_ME, user_id=99, detail=detail) == []
    body = filled.get(_ME, user_id=99, detail=detail, format="json").json()
    assert body["rows"] == []


def test_the_cost_export_has_every_cost_once(filled: Filled) -> None:
    days = {"start": "2026-10-01T00:00:00Z", "end": "2026-11-01T00:00:00Z"}
    rows = filled.rows(_EXPORT, **days)
    start, end = (datetime.fromisoformat(day).timestamp() for day in days.values())
    cells = [cell for cell in filled.cells if start <= cell["bucket"] < end]
    by_user: Counter[str] = Counter()
    for row in rows:
        by_user[row["SubAccountId"]] += round(float(row["BilledCost"]) * 1e6)
        assert row["BilledCost"] == row["EffectiveCost"] == row["ListCost"] == row["ContractedCost"]
        assert row["ChargeClass"] == ""
        assert row["BillingPeriodStart"] == "2026-10-01T00:00:00Z"
    expected: Counter[str] = Counter()
    for cell in cells:
        expected[str(cell["user_id"])] += total([cell], *_COST)
    assert by_user == expected
    assert list(rows[0]) == list(COLUMNS["cost_export"])
    kinds = {row["ChargeDescription"].rpartition(", ")[2] for row in rows}
    assert kinds == {"base", "carrier fee", "failed message fee"}
    named = filled.rows(_EXPORT, time_range="7d")
    assert named[0]["ChargePeriodStart"] == "2026-10-28T00:00:00Z"
    assert filled.get(_EXPORT, format="json", **days).json()["focus_version"] == "1.2"


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        (_EXPORT, {"start": "2026-10-01T00:15:00Z", "end": "2026-11-01T00:00:00Z"}),
        (_EXPORT, {"timezone": "UTC"}),
        (_ME, {"format": "xlsx"}),
        (_ME, {"detail": "users"}),
        (_ME, {"format": "json", "bom": "true"}),
        (_ME, {"user_id": "4"}),
    ],
)
def test_what_cannot_be_asked(path: str, parameters: dict[str, str], filled: Filled) -> None:
    headers = filled.bearer(roles=("user", "admin"))
    answer = filled.client.get(_BASE + path, params=parameters, headers=headers)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_columns_are_those_of_the_sql(filled: Filled) -> None:
    _log(filled, 20)
    for path, question in (
        (f"{_ME}?detail=daily", "user_daily_report"),
        (f"{_ME}?detail=messages", "user_message_report"),
        (f"{_SYSTEM}?detail=daily", "system_daily_report"),
        (f"{_SYSTEM}?detail=messages", "system_message_report"),
        (f"{_EXPORT}?", "cost_export"),
    ):
        headers = filled.bearer(user_id=3, roles=("user", "admin"))
        body = filled.client.get(f"{_BASE}{path}&format=json", headers=headers).json()
        assert tuple(body["rows"][0]) == COLUMNS[question]
