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
    expected = ["SMS_JWT_JWKS_URL: set either SMS_JWT_SECRET or SMS_JWT_JWKS_URL"]
    assert _faults(monkeypatch) == expected


def test_two_ways_to_trust_a_token_are_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _faults(
        monkeypatch, SMS_JWT_SECRET=_LONG, SMS_JWT_JWKS_URL="https://issuer.example/keys"
    ) == ["SMS_JWT_JWKS_URL: set either SMS_JWT_SECRET or SMS_JWT_JWKS_URL"]


@pytest.mark.parametrize(
    ("url", "env", "is_good"),
    [
        ("https://issuer.example/keys", "production", True),
        ("http://issuer.example/keys", "production", False),
        ("http://issuer.example/keys", "development", True),
        ("file:///etc/keys", "development", False),
        ("https://user:password@issuer.example/keys", "development", False),
        ("issuer.example", "development", False),
        ("", "development", False),
    ],
)
def test_where_an_issuer_may_be(
    url: str, env: str, is_good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMS_ENV", env)
    monkeypatch.setenv("SMS_PRIVACY_KEY", _LONG)
    if is_good:
        assert ApiSettings(jwt_jwks_url=url).jwt_jwks_url == url
    else:
        (fault,) = _faults(monkeypatch, SMS_JWT_JWKS_URL=url)
        assert "://host[:port]/path" in fault
        assert "password" not in fault


def test_an_algorithm_with_a_shared_key_is_none_of_an_issuer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faults = _faults(
        monkeypatch, SMS_JWT_JWKS_URL="https://issuer.example", SMS_JWT_ALGORITHMS='["HS256"]'
    )
    assert len(faults) == 1
    assert "'RS256', 'ES256' or 'EdDSA'" in faults[0]


def test_what_is_sealed_by_one_process_is_known_to_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ApiSettings(jwt_secret=_LONG).seal_key == ApiSettings(jwt_secret=_LONG).seal_key
    assert ApiSettings(jwt_secret=_LONG).seal_key != ApiSettings(jwt_secret=_LONG + "x").seal_key
    keys = {
        ApiSettings(jwt_jwks_url="https://issuer.example", privacy_key=key).seal_key
        for key in ("a" * 16, "b" * 16, "a" * 16)
    }
    assert len(keys) == 2


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
