"""The embedded ClickHouse as a process: durability, its lock, its port, its clean end."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from deploy.errors import Unusable
from deploy.local import clickhouse
from deploy.local.children import Child
from deploy.local.ports import free_port
from schemas.settings import clickhouse_arguments

pytestmark = pytest.mark.live


class Servers:
    """Starts servers one after another over the same directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.port = free_port()
        self.running: list[Child] = []

    def start(self) -> Child:
        child = clickhouse.start(self.path / "data", self.port, "", self.path / "log")
        self.running.append(child)
        return child

    def client(self) -> Client:
        return clickhouse_connect.get_client(**clickhouse_arguments(clickhouse.url(self.port, "")))


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    made = Servers(tmp_path)
    yield made
    for child in made.running:
        child.kill()


def insert_until_it_fails(client: Client) -> int:
    """Insert 0, 1, 2 … into `t`; how many were acknowledged."""
    for number in itertools.count():
        try:
            client.insert("t", [[number]])
        except ClickHouseError:
            return number
    raise AssertionError


def test_a_restart_keeps_what_was_stored(servers: Servers) -> None:
    first = servers.start()
    with servers.client() as client:
        client.command("CREATE DATABASE other")
        client.command("CREATE TABLE other.t (a UInt64) ENGINE = MergeTree ORDER BY a")
        client.insert("t", [[1], [2]], database="other")
    began = time.monotonic()
    first.stop(10)
    assert first.exit_status == 0
    assert time.monotonic() - began < 5
    servers.start()
    with servers.client() as client:
        assert client.query("SELECT sum(a) FROM other.t").result_rows == [(3,)]


def test_a_sigkill_loses_no_acknowledged_insert(servers: Servers) -> None:
    first = servers.start()
    with servers.client() as client:
        client.command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        threading.Timer(1.0, os.kill, (first.pid, signal.SIGKILL)).start()
        acknowledged = insert_until_it_fails(client)
    servers.start()
    with servers.client() as client:
        ((rows, distinct, highest),) = client.query(
            "SELECT count(), uniqExact(a), max(a) FROM t"
        ).result_rows
    assert acknowledged > 10
    # The insert under way when it died may be there, nothing else.
    assert rows == distinct == highest + 1
    assert rows in (acknowledged, acknowledged + 1)


def test_a_second_process_on_the_directory_is_one_sentence(servers: Servers) -> None:
    first = servers.start()
    servers.port = free_port()
    sentence = rf"Another ClickHouse process \({first.pid}\) is running on {servers.path}/data"
    with pytest.raises(Unusable, match=sentence):
        servers.start()
    assert "Traceback" not in (servers.path / "log").read_text()


def test_a_port_in_use_is_one_sentence(servers: Servers, tmp_path: Path) -> None:
    servers.start()
    other = tmp_path / "other"
    log = tmp_path / "other.log"
    command = clickhouse.command(other, servers.port)
    child = Child("ClickHouse", command, log)
    while child.exit_status is None:
        time.sleep(0.05)
    assert child.exit_status == 1
    assert f"port {servers.port}: " in child.last_line
    assert "in use" in child.last_line
    assert "Traceback" not in log.read_text()


def test_a_stop_does_not_wait_for_a_long_query(servers: Servers) -> None:
    server = servers.start()
    client = servers.client()
    long = "SELECT sum(sipHash64(number)) FROM numbers(10000000000) SETTINGS max_threads = 1"
    failures: list[Exception] = []

    def ask() -> None:
        try:
            client.query(long)
        except ClickHouseError as error:
            failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.5)
    began = time.monotonic()
    server.stop(10)
    thread.join()
    assert time.monotonic() - began < 8
    assert server.exit_status == 0
    assert failures
    client.close()
