"""A client closes its connection: the query that ran for it ends at once, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from clickhouse_connect.driver.client import Client
from fastapi import FastAPI

from query_api import questions
from query_api.app import create_app
from query_api.clickhouse import ClickHousePool
from query_api.downloads import Downloads, Part
from query_api.metrics import Metrics
from query_api.settings import ApiSettings
from tests.query_api.conftest import Bearer
from tests.query_api.credentials import SECRET

pytestmark = pytest.mark.live

_SLOW = "SELECT sum(sipHash64(number)) AS n FROM numbers({rows:UInt64}) SETTINGS max_threads = 1"
_ROWS = {"rows": 10**13}
_BASE = "/api/v1/analytics"


def _settings(url: str) -> ApiSettings:
    return ApiSettings(
        jwt_secret=SECRET,
        clickhouse_url=url,
        query_max_seconds=60,
        report_max_seconds=60,
        query_max_rows=10**15,
        pool_size=2,
        cache_mb=0,  # So that nothing is computed ahead, which would be a slow query of nobody's.
    )


def _running(client: Client) -> int:
    """The slow queries that ClickHouse runs now."""
    found = client.query(
        "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%' "
        "AND query NOT LIKE '%system.processes%'"
    )
    return int(found.result_rows[0][0])


def _wait(condition: Callable[[], bool], patience_s: float = 10) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_cancelled_question_ends_its_query_and_gives_its_turn_back(
    clickhouse_database: str, clickhouse_client: Client
) -> None:
    async def story() -> None:
        metrics = Metrics()
        pool = ClickHousePool(_settings(clickhouse_database), metrics)
        asking = [asyncio.create_task(pool.ask("slow", _SLOW, _ROWS)) for _ in range(2)]
        await asyncio.to_thread(_wait, lambda: _running(clickhouse_client) == 2)
        for task in asking:
            task.cancel()
        began = time.monotonic()
        assert await pool.ask("quick", "SELECT 1 AS n", {}) == [{"n": 1}]
        assert time.monotonic() - began < 5
        await asyncio.to_thread(_wait, lambda: _running(clickhouse_client) == 0)
        value = metrics.registry.get_sample_value
        assert value("sms_api_queries_cancelled_total", {"question": "slow"}) == 2
        failures = {"question": "slow", "reason": "busy"}
        assert value("sms_api_query_failures_total", failures) is None
        pool.close()

    asyncio.run(story())


def test_a_download_that_is_left_before_its_first_row_ends_its_query(
    clickhouse_database: str, clickhouse_client: Client
) -> None:
    async def story() -> None:
        downloads = Downloads(_settings(clickhouse_database), Metrics())

        async def read() -> None:
            async for _ in downloads.rows([Part("slow", _SLOW, _ROWS)], "CSV"):
                pass

        reading = asyncio.create_task(read())
        await asyncio.to_thread(_wait, lambda: _running(clickhouse_client) == 1)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await asyncio.to_thread(_wait, lambda: _running(clickhouse_client) == 0)
        downloads.close()

    asyncio.run(story())


@pytest.fixture
def app(clickhouse_database: str, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """The API, whose questions about progress and the log are slow ones instead."""

    async def slow(asker: Any, *_: Any) -> Any:
        return await asker.ask("slow", _SLOW, _ROWS)

    monkeypatch.setattr(questions, "audit_entries", slow)
    monkeypatch.setattr(questions, "user_messages", slow)
    monkeypatch.setattr(questions, "user_slots", slow)  # One of the queries about a user.
    return create_app(_settings(clickhouse_database))


@pytest.fixture
def port(app: FastAPI) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield int(listener.getsockname()[1])
    server.should_exit = True
    thread.join(20)
    listener.close()


def _ask(port: int, path: str, headers: dict[str, str]) -> socket.socket:
    """A connection on which a question has been sent."""
    lines = [f"GET {_BASE}{path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


# Analytics of several users share a query, see `test_tables`.
@pytest.mark.parametrize(("path", "clients"), [("/me/messages", 2), ("/me/sms-analytics", 1)])
def test_a_client_that_leaves_ends_its_query(
    path: str, clients: int, port: int, clickhouse_client: Client, bearer: Bearer
) -> None:
    connections = [_ask(port, path, bearer(user_id=42 + number)) for number in range(clients)]
    _wait(lambda: _running(clickhouse_client) == clients)
    for connection in connections:
        connection.close()
    _wait(lambda: _running(clickhouse_client) == 0)


def test_an_admin_who_leaves_is_audited_all_the_same(
    port: int, clickhouse_client: Client, bearer: Bearer
) -> None:
    connection = _ask(port, "/admin/audit", bearer(user_id=9, roles=("admin",)))
    _wait(lambda: _running(clickhouse_client) == 1)
    connection.close()
    _wait(lambda: _running(clickhouse_client) == 0)

    def entries() -> Any:
        sql = "SELECT actor_id, status, decision FROM audit_log"
        return [tuple(row) for row in clickhouse_client.query(sql).result_rows]

    _wait(lambda: entries() == [(9, 499, "allowed")])
