"""What stands in the way of `up`: one clear sentence each, exit code 1, nothing left running."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from deploy.cli import app
from deploy.errors import Unusable
from deploy.local import clickhouse
from deploy.local.kafka_jars import KAFKA_VERSION
from deploy.local.ports import check_ports, free_port

BROKEN_JAVA = """#!/bin/sh
case "$*" in
  *-version*) echo 'openjdk version "25.0.1"' >&2 ;;
  *StorageTool*) exit 0 ;;
  *) echo 'ERROR the disk is on fire'; exit 1 ;;
esac
"""


def up(data_dir: Path, *options: str) -> Result:
    names = ("--api-port", "--kafka-port", "--clickhouse-port")
    ports = [text for name in names for text in (name, str(free_port()))]
    return CliRunner().invoke(app, ["up", "--data-dir", str(data_dir), *ports, *options])


def refusal(result: Result) -> str:
    """The last line, after a check that it is all that is wrong."""
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return str(result.stderr.splitlines()[-1])


@pytest.fixture
def java(tmp_path: Path) -> Path:
    """A java program that formats storage and then fails to run a broker."""
    program = tmp_path / "java"
    program.write_text(BROKEN_JAVA)
    program.chmod(0o755)
    return program


def test_credentials_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMS_TWILIO_ACCOUNT_SID", "hunter2")
    sentence = refusal(up(tmp_path))
    assert sentence == "SMS_TWILIO_ACCOUNT_SID: must be AC or SK and 32 hexadecimal digits."


@pytest.mark.parametrize("option", ["--api-port", "--kafka-port", "--clickhouse-port"])
def test_a_port_in_use(tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = partial(check_ports, patience_s=0)
    monkeypatch.setattr("deploy.local.platform.check_ports", at_once)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        sentence = refusal(up(tmp_path, option, port))
    assert sentence.startswith(f"Port {port} cannot be used (address already in use)")
    assert sentence.endswith(f"choose another with {option}.")


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "data"
    assert refusal(up(path)) == f"The data directory {path} cannot be written: Not a directory."


def test_no_usable_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMS_JAVA", "/bin/true")
    sentence = "SMS_JAVA=/bin/true is not a Java of version 17 or newer."
    assert refusal(up(tmp_path)) == sentence


def test_no_network_at_the_first_start(
    tmp_path: Path, java: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMS_JAVA", str(java))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    sentence = refusal(up(tmp_path / "data"))
    start = f"Apache Kafka {KAFKA_VERSION} could not be downloaded from Maven Central: "
    assert sentence.startswith(start)
    assert sentence.endswith("The first start needs the network once.")
    assert not list((tmp_path / "cache").rglob(f"kafka-{KAFKA_VERSION}"))


@pytest.mark.live
def test_a_broker_that_dies_at_start(
    tmp_path: Path, java: Path, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMS_JAVA", str(java))
    sentence = refusal(up(tmp_path / "data"))
    log = tmp_path / "data" / "logs" / "kafka.log"
    assert sentence == f"Kafka did not start: ERROR the disk is on fire (see {log})."


@pytest.mark.live
def test_a_clickhouse_that_dies_at_start(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no directory")
    log = tmp_path / "log"
    with pytest.raises(Unusable) as caught:
        clickhouse.start(tmp_path / "data", free_port(), "", log)
    assert str(caught.value).startswith(
        f"ClickHouse did not start: ClickHouse cannot run on {tmp_path}"
    )
    assert "Traceback" not in log.read_text()
