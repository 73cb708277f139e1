"""`rates` as an operator uses it: real Kafka, real ClickHouse, and what `/readyz` says after it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from deploy.cli import app
from deploy.commands import rates
from deploy.topics import create_missing_topics
from query_api.app import create_app
from query_api.settings import ApiSettings
from schemas.topics import topics
from streams import twilio
from tests.query_api.credentials import SECRET
from tests.streams.conftest import delete_topics
from tests.streams.fake_twilio import SID, TOKEN, FakeTwilio, country, fake_twilio

_CARD = Path(__file__).parents[2] / "schemas" / "rate_card.toml"
_FILE = str(_CARD)
_WINDOW = ("--from", "2026-03-01", "--to", "2026-03-02T00:00:00Z")


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["rates", *arguments], terminal_width=200)


@pytest.fixture
def fake(
    kafka: str, clickhouse_database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeTwilio]:
    """A fake Twilio, and an environment that names it, the broker and the database."""
    create_missing_topics(kafka, topics(1))
    monkeypatch.setattr(twilio, "_FIRST_WAIT_S", 0.001)
    with fake_twilio() as running:
        running.countries = {
            "US": country("US", {None: "0.0080"}, "0.0075"),
            "DE": country("DE", {("262", "01"): "0.0700"}),
        }
        for name, value in {
            "KAFKA_URL": f"kafka://{kafka}",
            "CLICKHOUSE_URL": clickhouse_database,
            "TWILIO_ACCOUNT_SID": SID,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_PRICING_URL": running.url,
        }.items():
            monkeypatch.setenv(f"SMS_{name}", value)
        yield running
    delete_topics(kafka)


def _readiness(database: str) -> tuple[dict[str, Any], str]:
    """The check of the rates, and the metrics."""
    settings = ApiSettings(jwt_secret=SECRET, clickhouse_url=database)
    with TestClient(create_app(settings)) as client:
        checks = client.get("/readyz").json()["checks"]
        (check,) = (check for check in checks if check["name"] == "rates")
        return check, client.get("/metrics").text


@pytest.mark.live
def test_prices_come_and_then_fail(fake: FakeTwilio, clickhouse_database: str) -> None:
    check, _ = _readiness(clickhouse_database)
    assert (check["status"], check["detail"][:16]) == ("ok", "the bundled card")
    dry = _run("fetch", "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "US\tany carrier\toutbound\t0.008000 USD\twas 0.008300 USD, Twilio US list" in dry.output
    assert "rates would change; prices of 2 countries came" in dry.output
    done = _run("fetch")
    assert done.exit_code == 0, done.output
    assert done.output.replace("changed;", "would change;") == dry.output
    assert "twilio-us-any-outbound-" in _run("show").output
    assert _run("fetch").output == "0 rates changed; prices of 2 countries came\n"
    check, metrics = _readiness(clickhouse_database)
    assert check == {"name": "rates", "status": "ok", "detail": "Twilio's prices of 0 min ago"}
    assert "sms_api_rates_fetch_failed 0.0" in metrics
    (line,) = (line for line in metrics.splitlines() if line.startswith("sms_api_rates_fetched"))
    assert abs(float(line.split()[1]) - time.time()) < 60
    fake.faults["DE"] = [(503, {})] * 99
    partly = _run("fetch")
    assert partly.exit_code == 1
    assert "DE: /v1/Messaging/Countries/DE: 5 attempts failed (503); their" in partly.output
    check, metrics = _readiness(clickhouse_database)
    assert check["status"] == "degraded"
    assert "the fetch of prices 0 min ago failed (DE: " in check["detail"]
    assert check["detail"].endswith("in force: Twilio's prices of 0 min ago")
    assert "sms_api_rates_fetch_failed 1.0" in metrics
    said = dry.output + done.output + partly.output + str(check)
    assert TOKEN not in said
    assert SID not in said


@pytest.mark.live
def test_a_fetch_goes_on(fake: FakeTwilio, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt
        fake.faults["list"] = [(503, {})] * (5 if len(pauses) == 1 else 0)

    class _Clock:
        sleep = staticmethod(pause)

    monkeypatch.setattr(rates, "time", _Clock)
    _run("fetch", "--every-hours", "24")
    assert pauses == [86_400, 900, 86_400]


@pytest.mark.live
def test_a_card_is_loaded_and_compared(fake: FakeTwilio, tmp_path: Path) -> None:
    assert "records loaded" in _run("load", str(_CARD)).output
    found = json.loads(_run("compare", _FILE, *_WINDOW, "--user-id", "7", "--json").output)
    assert (found["messages"], found["difference_micros"], found["rows"]) == (0, 0, [])
    assert (found["card"], found["user_id"]) == ("rate_card.toml", 7)
    assert json.loads(_run("compare", *_WINDOW, "--json").output)["card"] is None
    assert _run("compare", _FILE, *_WINDOW).output.splitlines()[1].split() == [
        "total", "0", "0", "0.000000", "0.000000", "0.000000",
    ]  # fmt: skip
    bad = tmp_path / "card.toml"
    bad.write_text(_CARD.read_text().replace("base_micros = 8300", "base_micro = 8300", 1))
    for command in (("load", str(bad)), ("compare", str(bad), *_WINDOW)):
        refused = _run(*command)
        assert refused.exit_code == 1
        assert "card.toml: Object missing required field `base_micros`" in refused.output
    early = _run("compare", _FILE, "--from", "2023-12-31", "--to", "2024-01-02")
    assert "`--as-of 2024-01-01T00:00:00Z` prices them" in early.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("fetch", "--countries", "US,Germany"), "--countries: `GERMANY` is not an ISO 3166 code"),
        (("fetch", "--dry-run", "--every-hours", "1"), "leave --every-hours away"),
        (("compare", _FILE, "--from", "yesterday", "--to", "2026-03-02"), "--from: `yesterday`"),
        (("compare", _FILE, "--from", "2026-03-02", "--to", "2026-03-02"), "before --to"),
        (("compare", _FILE, "--from", "2026-03-01T12:00:00", "--to", "2026-03-02"), "an offset"),
        (("compare", _FILE, *_WINDOW, "--as-of", "0001-01-01"), "--as-of: the year must be"),
    ],
)  # fmt: skip
def test_arguments_are_checked(arguments: tuple[str, ...], sentence: str) -> None:
    refused = _run(*arguments)
    assert refused.exit_code == 1
    assert sentence in refused.output
