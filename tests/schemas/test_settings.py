"""The settings that every process shares, and what a ClickHouse URL means."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from query_api.settings import ApiSettings
from schemas.settings import Settings, clickhouse_arguments
from streams.settings import WorkerSettings


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h", ("http", "h", 8123, "default", "", "default")),
        ("https://h", ("https", "h", 8443, "default", "", "default")),
        ("http://u:p@h:1/d", ("http", "h", 1, "u", "p", "d")),
        ("http://u%40x:p%2F%3A@h/d/", ("http", "h", 8123, "u@x", "p/:", "d")),
        ("http://[::1]:9000/d", ("http", "::1", 9000, "default", "", "d")),
    ],
)
def test_clickhouse_arguments(url: str, expected: tuple[object, ...]) -> None:
    names = ("interface", "host", "port", "username", "password", "database")
    assert clickhouse_arguments(url) == dict(zip(names, expected, strict=True))


@pytest.mark.parametrize("url", ["", "clickhouse://h", "h:8123", "http://", "http:///d"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="SMS_CLICKHOUSE_URL must be"):
        clickhouse_arguments(url)


@pytest.mark.parametrize(
    ("url", "servers"),
    [("kafka://a:1", "a:1"), ("kafka://a:1,b:2", "a:1,b:2"), ("a:1", "a:1")],
)
def test_bootstrap_servers(url: str, servers: str) -> None:
    assert Settings(kafka_url=url).bootstrap_servers == servers


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMS_ENV", "production")
    monkeypatch.setenv("SMS_KAFKA_URL", "kafka://broker:9092")
    settings = Settings()
    assert (settings.env, settings.bootstrap_servers) == ("production", "broker:9092")


@pytest.mark.parametrize("process", [Settings, WorkerSettings, ApiSettings])
def test_errors_do_not_quote_secrets(
    process: type[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMS_CLICKHOUSE_URL", "clickhouse://user:hunter2@host")
    monkeypatch.setenv("SMS_PRIVACY_KEY", "hunter2")
    monkeypatch.setenv("SMS_JWT_SECRET", "hunter2")
    with pytest.raises(ValidationError) as caught:
        process()
    assert "SMS_CLICKHOUSE_URL" in str(caught.value)
    assert "hunter2" not in str(caught.value)
