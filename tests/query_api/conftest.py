"""The API as a test client, and the headers of good tokens for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from clickhouse_connect.driver.client import Client
from fastapi.testclient import TestClient

from query_api.app import create_app
from query_api.settings import ApiSettings
from tests.query_api.credentials import SECRET, claims, signed

NOBODY = "http://127.0.0.1:1/default"
"""A ClickHouse that is not there: port 1 refuses connections."""

Bearer = Callable[..., dict[str, str]]


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ApiSettings.model_config, "env_file", None)


@pytest.fixture
def settings() -> ApiSettings:
    """Settings of an API whose ClickHouse is not there."""
    return ApiSettings(jwt_secret=SECRET, clickhouse_url=NOBODY, connect_timeout_s=1)


@pytest.fixture
def client(settings: ApiSettings) -> Iterator[TestClient]:
    """The API of `settings`; its own failures are answers, as they are for a client."""
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def lasting_client(clickhouse_client: Client) -> Client:
    """A client of a new database with all tables, in which old rows do not expire.

    Tests are about fixed dates; the tables' TTL would take their rows away some day.
    """
    found = clickhouse_client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND "
        "create_table_query LIKE '% TTL %'"
    )
    assert found.result_rows
    for (table,) in found.result_rows:
        clickhouse_client.command(f"ALTER TABLE {table} REMOVE TTL")
    return clickhouse_client


@pytest.fixture
def bearer() -> Bearer:
    """The headers of a good token: `bearer(user_id=42, roles=("user",))`."""

    def headers(user_id: int = 42, roles: tuple[str, ...] = ("user",)) -> dict[str, str]:
        token = signed(claims(sub=str(user_id), roles=list(roles)))
        return {"Authorization": f"Bearer {token}"}

    return headers
