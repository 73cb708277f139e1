"""Settings of the worker: defaults, the environment, and what a production refuses."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streams.settings import WorkerSettings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in WorkerSettings.model_fields:
        monkeypatch.delenv(f"SMS_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)  # no .env


def test_the_defaults_fit_together() -> None:
    settings = WorkerSettings()
    assert settings.bootstrap_servers == "127.0.0.1:9092"
    assert settings.message_retention_days == 400
    # Folding waits only after a flush has begun, or it would wait for the next interval.
    assert settings.flush_events < settings.max_pending_events
    assert settings.metrics_host == "127.0.0.1"


def test_every_setting_is_described() -> None:
    assert all(field.description for field in WorkerSettings.model_fields.values())


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMS_KAFKA_URL", "kafka://a:1,b:2")
    monkeypatch.setenv("SMS_CURRENCY_RATES", '{"EUR": "1.08", "GBP": 1.25}')
    monkeypatch.setenv("SMS_FLUSH_INTERVAL_S", "0.25")
    monkeypatch.setenv("SMS_UNKNOWN", "ignored")
    settings = WorkerSettings()
    assert settings.bootstrap_servers == "a:1,b:2"
    assert settings.currency_rates == {"EUR": Decimal("1.08"), "GBP": Decimal("1.25")}
    assert settings.flush_interval_s == 0.25


def test_a_file_is_read() -> None:
    Path(".env").write_text("SMS_CONSUMER_GROUP=from-the-file\nOTHER=1\n")
    assert WorkerSettings().consumer_group == "from-the-file"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flush_interval_s", 0),
        ("flush_interval_s", 61),
        ("flush_events", 0),
        ("max_pending_events", 0),
        ("max_hot_cells", 999),
        ("max_recent_messages", 999),
        ("sid_filter_mb", 0),
        ("message_retention_days", 0),
        ("message_retention_days", 401),
        ("privacy_key", "too short"),
        ("insert_timeout_s", 0),
        ("metrics_port", 65536),
        ("replication_factor", 0),
        ("currency_rates", {"EUR": "much"}),
        ("currency_rates", {"EUR": "NaN"}),
        ("currency_rates", {"EUR": "0"}),
        ("currency_rates", {"EUR": "-1.08"}),
        ("clickhouse_url", "clickhouse://host"),
        ("env", "staging"),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        WorkerSettings(**{name: value})
    assert [error["loc"][0] for error in raised.value.errors()] == [name]


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(ValidationError) as raised:
        WorkerSettings(flush_events=0, metrics_port=-1)
    assert raised.value.error_count() == 2


def test_a_production_needs_a_privacy_key_of_its_own() -> None:
    with pytest.raises(ValidationError, match="SMS_PRIVACY_KEY must be set"):
        WorkerSettings(env="production")
    with pytest.raises(ValidationError, match="SMS_PRIVACY_KEY must be set"):
        WorkerSettings(env="production", privacy_key="development-privacy-key-2")
    assert WorkerSettings(env="production", privacy_key="0123456789abcdef").env == "production"


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        WorkerSettings().flush_events = 5  # type: ignore[misc]
