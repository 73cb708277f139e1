"""Parameters over HTTP: a fault is a 422 that names the parameter and the limit."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from tests.query_api.conftest import Bearer

_BASE = "/api/v1/analytics"
_ME = f"{_BASE}/me/sms-analytics"
_SYSTEM = f"{_BASE}/admin/sms-analytics/system"
_LOG = f"{_BASE}/me/messages"
_AUDIT = f"{_BASE}/admin/audit"
_USERS = f"{_BASE}/admin/users"
_REPORT = f"{_BASE}/me/sms-usage-report"
_EXPORT = f"{_BASE}/admin/cost-export"
_DAY = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}


@pytest.mark.parametrize(
    ("path", "query", "parameter", "detail"),
    [
        (_ME, {"time_range": "8d"}, "time_range", "'7d', '30d', '90d' or '1y'"),
        (_ME, {"time_range": ""}, "time_range", "'7d', '30d', '90d' or '1y'"),
        (_ME, {"time_range": "7d", **_DAY}, "time_range", "without start and end"),
        (_ME, {"start": _DAY["start"]}, "end", "end is missing"),
        (_ME, {"end": _DAY["end"]}, "start", "start is missing"),
        (_ME, {**_DAY, "end": "2026-01-01T00:00:00Z"}, "end", "after start"),
        (_ME, {**_DAY, "end": "2027-02-06T00:00:00Z"}, "end", "at most 400 days"),
        (_ME, {**_DAY, "start": "2026-01-01T00:01:00Z"}, "start", "15-minute boundary"),
        (_ME, {**_DAY, "start": "yesterday"}, "start", "RFC 3339"),
        (_ME, {**_DAY, "start": "x" * 41}, "start", "at most 40 characters"),
        (_ME, {"timezone": "Middle-earth/Shire"}, "timezone", "not an IANA time zone"),
        (_ME, {"timezone": "../../../etc/passwd"}, "timezone", "not an IANA time zone"),
        (_ME, {"timezone": "x" * 65}, "timezone", "at most 64 characters"),
        (_ME, {"timezone": ""}, "timezone", "not an IANA time zone"),
        (_ME, {"time_rang": "7d"}, "time_rang", "not known"),
        (_ME, {"limit": "5"}, "limit", "not known"),
        (_SYSTEM, {"limit": "0"}, "limit", "greater than or equal to 1"),
        (_SYSTEM, {"limit": "501"}, "limit", "less than or equal to 500"),
        (_SYSTEM, {"limit": "many"}, "limit", "integer"),
        (_SYSTEM, {"order_by": "name"}, "order_by", "'messages', 'segments'"),
        (_SYSTEM, {"order": "up"}, "order", "'desc' or 'asc'"),
        (_SYSTEM, {"cursor": "abc"}, "cursor", "not one that was given out"),
        (_SYSTEM, {"cursor": "x" * 481}, "cursor", "at most 480 characters"),
        (_LOG, {"limit": "1001"}, "limit", "less than or equal to 1000"),
        (_LOG, {"to": ""}, "to", "RFC 3339"),
        (_LOG, {"cursor": ""}, "cursor", "at least 1 character"),
        (_AUDIT, {"limit": "1001"}, "limit", "less than or equal to 1000"),
        (_AUDIT, {"from": ""}, "from", "RFC 3339"),
        (_USERS, {"limit": "501"}, "limit", "less than or equal to 500"),
        (_USERS, {"phone_number": "+1" + "5" * 15}, "phone_number", "should match pattern"),
        (_REPORT, {**_DAY, "end": "2027-02-06T00:00:00Z"}, "end", "at most 400 days"),
        (_EXPORT, {**_DAY, "end": "2027-02-06T00:00:00Z"}, "end", "at most 400 days"),
        (f"{_BASE}/admin/users/0/sms-analytics", {}, "user_id", "greater than or equal to 1"),
        (f"{_BASE}/admin/users/{2**53}/sms-analytics", {}, "user_id", "9007199254740991"),
        (f"{_BASE}/admin/users/seven/sms-analytics", {}, "user_id", "integer"),
    ],
)
def test_a_fault_names_the_parameter_and_the_limit(
    path: str,
    query: dict[str, str],
    parameter: str,
    detail: str,
    client: TestClient,
    bearer: Bearer,
) -> None:
    answer = client.get(path, params=query, headers=bearer(roles=("user", "admin")))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    assert error["parameter"] == parameter
    assert detail in error["detail"]
    assert error["detail"] in answer.json()["detail"]


def test_a_plus_that_was_not_encoded_is_explained(client: TestClient, bearer: Bearer) -> None:
    query = "start=2026-01-01T00:00:00+05:45&end=2026-01-02T00:00:00Z"
    answer = client.get(f"{_ME}?{query}", headers=bearer())
    assert answer.status_code == 422
    assert "write + as %2B" in answer.json()["detail"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "time_range=1y&timezone=Asia/Kathmandu",
        "start=2026-01-01T00:00:00%2B05:45&end=2026-01-02T00:00:00Z",
        "timezone=America%2FArgentina%2FBuenos_Aires",
    ],
)
def test_good_parameters_reach_the_database(query: str, client: TestClient, bearer: Bearer) -> None:
    assert client.get(f"{_ME}?{query}", headers=bearer()).status_code == 503
