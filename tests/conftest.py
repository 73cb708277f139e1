"""The real Kafka and ClickHouse that live tests run against.

Taken from testcontainers where a Docker engine answers, else the embedded ones, started once a
session on free ports and stopped at its end (or killed with it).
"""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import clickhouse_connect
import pytest

from deploy.local import clickhouse as embedded_clickhouse
from deploy.local import kafka as embedded_kafka
from deploy.local.ports import free_port
from deploy.migrate import migrate
from schemas.settings import clickhouse_arguments

_PASSWORD = "for-tests-only"
_numbers = itertools.count()


@pytest.fixture(scope="session")
def has_docker() -> bool:
    """Whether a Docker engine answers."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not address.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as engine:
        return engine.connect_ex(address.removeprefix("unix://")) == 0


@pytest.fixture(scope="session")
def kafka(has_docker: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap servers of a broker without topics; a test creates the ones it needs."""
    if has_docker:
        from testcontainers.kafka import KafkaContainer

        with KafkaContainer().with_kraft() as container:
            yield container.get_bootstrap_server()
        return
    directory = tmp_path_factory.mktemp("kafka")
    port = free_port()
    broker = embedded_kafka.start(directory, port, directory / "kafka.log", print)
    yield f"127.0.0.1:{port}"
    broker.stop(10.0)


@pytest.fixture(scope="session")
def clickhouse(has_docker: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a ClickHouse server's `default` database, without tables."""
    if has_docker:
        from testcontainers.clickhouse import ClickHouseContainer

        with ClickHouseContainer("clickhouse/clickhouse-server:26.8") as container:
            host, port = container.get_container_host_ip(), container.get_exposed_port(8123)
            yield f"http://{container.username}:{container.password}@{host}:{port}/default"
        return
    directory = tmp_path_factory.mktemp("clickhouse")
    port = free_port()
    log = directory / "clickhouse.log"
    server = embedded_clickhouse.start(directory / "data", port, _PASSWORD, log)
    yield embedded_clickhouse.url(port, _PASSWORD)
    server.stop(10.0)


_TABLES = (
    "SELECT name, create_table_query, total_rows FROM system.tables"
    " WHERE database = {name:String} ORDER BY name"
)


class Databases:
    """Databases that have every migration, used again by the next test if nobody altered them."""

    def __init__(self, clickhouse: str) -> None:
        self._url = clickhouse.removesuffix("/default")
        self._client = clickhouse_connect.get_client(**clickhouse_arguments(clickhouse))
        self._free: list[tuple[str, list[tuple[str, str]]]] = []

    @contextmanager
    def lend(self) -> Iterator[str]:
        """The URL of a database whose tables are empty."""
        name, made = self._free.pop() if self._free else self._new()
        yield f"{self._url}/{name}"
        tables = self._tables(name)
        if [table[:2] for table in tables] != made:
            self._client.command(f"DROP DATABASE {name}")
            return
        for table, _, rows in tables:
            if rows and table != "schema_migrations":
                self._client.command(f"TRUNCATE TABLE {name}.{table}")
        self._free.append((name, made))

    def _new(self) -> tuple[str, list[tuple[str, str]]]:
        name = f"test_{os.getpid()}_{next(_numbers)}"
        migrate(f"{self._url}/{name}")
        return name, [table[:2] for table in self._tables(name)]

    def _tables(self, name: str) -> list[Any]:
        return [tuple(row) for row in self._client.query(_TABLES, {"name": name}).result_rows]


@pytest.fixture(scope="session")
def _databases(clickhouse: str) -> Databases:
    return Databases(clickhouse)


@pytest.fixture
def clickhouse_database(_databases: Databases) -> Iterator[str]:
    """The URL of a database that has every migration and no rows."""
    with _databases.lend() as url:
        yield url


@pytest.fixture
def clickhouse_client(
    clickhouse_database: str,
) -> Iterator[clickhouse_connect.driver.client.Client]:
    """A client of `clickhouse_database`."""
    with clickhouse_connect.get_client(**clickhouse_arguments(clickhouse_database)) as client:
        yield client
