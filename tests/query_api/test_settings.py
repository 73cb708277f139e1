"""Settings: strong keys only, every fault reported at once and never with its value."""

from __future__ import annotations

import pytest

from query_api.settings import ApiSettings, InvalidSettingsError, load_settings

_LONG = "x" * 32


def _faults(monkeypatch: pytest.MonkeyPatch, **environment: str) -> list[str]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettingsError) as caught:
        load_settings()
    return caught.value.faults


def test_a_good_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMS_JWT_SECRET", _LONG)
    monkeypatch.setenv("SMS_API_PORT", "8080")
    settings = load_settings()
    assert settings.api_port == 8080
    assert settings.jwt_issuer == "sms-analytics"
    assert settings.jwt_audience == "sms-analytics-api"
    assert _LONG not in repr(settings)


def test_a_missing_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMS_JWT_SECRET", raising=False)
    assert _faults(monkeypatch) == ["SMS_JWT_SECRET: Field required"]


@pytest.mark.parametrize(("length", "is_good"), [(31, False), (32, True)])
def test_a_secret_has_32_bytes(length: int, is_good: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if is_good:
        assert ApiSettings(jwt_secret="x" * length)
    else:
        (fault,) = _faults(monkeypatch, SMS_JWT_SECRET="x" * length)
        assert fault == "SMS_JWT_SECRET: must be at least 32 bytes long"


def test_production_refuses_a_development_key(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "development-" + _LONG
    assert ApiSettings(jwt_secret=key)
    privacy, secret = sorted(
        _faults(monkeypatch, SMS_JWT_SECRET=key, SMS_ENV="production"), reverse=True
    )
    assert privacy == "SMS_PRIVACY_KEY: must be set when SMS_ENV=production"
    assert "begins with `development-`" in secret
    assert "SMS_ENV=production refuses" in secret


def test_all_faults_at_once_and_without_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = _faults(
        monkeypatch,
        SMS_JWT_SECRET="s3cret",
        SMS_API_PORT="99999",
        SMS_CLICKHOUSE_URL="ftp://nowhere",
        SMS_POOL_SIZE="0",
    )
    assert {fault.split(":")[0].split(" ")[0] for fault in faults} == {
        "SMS_JWT_SECRET",
        "SMS_API_PORT",
        "SMS_CLICKHOUSE_URL",
        "SMS_POOL_SIZE",
    }
    assert "s3cret" not in str(faults)
