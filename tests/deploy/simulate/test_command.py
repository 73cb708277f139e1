"""The command's options, without a broker."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from deploy.errors import Unusable
from deploy.simulate.command import kafka_servers, simulate
from deploy.simulate.ledger import read_ledger

app = typer.Typer()
app.command()(simulate)


@pytest.fixture(autouse=True)
def _keep_signal_handlers() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_prepare_writes_a_ledger_and_needs_no_broker(tmp_path: Path) -> None:
    path = tmp_path / "ledger.ndjson"
    options = ["--prepare", str(path), "--days", "1", "--events", "500", "--poison", "0.1"]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0
    kinds = Counter(record.kind for record in read_ledger(path))
    assert kinds.total() - kinds["mapping"] == 500
    assert kinds["poison"] > 20
    assert "500 records written" in result.stderr


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--poison", "0.6", "--late", "0.5"], "leave room for new messages"),
        (["--prepare", "x"], "needs --events or --days"),
        (["--prepare", "x", "--ledger", "y", "--events", "1"], "exclude each other"),
        (["--replay", "no-such-file"], "does not exist"),
        (["--days", "391"], "--days"),
    ],
)
def test_contradictions_are_refused(options: list[str], complaint: str) -> None:
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.replace("│", "").split())


def test_without_a_broker_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SMS_KAFKA_URL", raising=False)
    with pytest.raises(Unusable, match="start `sms-analytics up` or set SMS_KAFKA_URL"):
        kafka_servers(tmp_path)


def test_the_environment_names_the_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMS_KAFKA_URL", "kafka://one:9092,two:9092")
    assert kafka_servers(tmp_path) == "one:9092,two:9092"
