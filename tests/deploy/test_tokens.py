"""Development tokens: what the API accepts, and never in production."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.data_dir import DataDirectory
from query_api.keys import SharedKey
from query_api.settings import ApiSettings
from query_api.tokens import Tokens


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    made = DataDirectory(tmp_path)
    with made.held():
        return made


def token(directory: DataDirectory, *options: str) -> str:
    command = ["token", "--data-dir", str(directory.path), *options]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""
    return result.stdout.strip()


@pytest.mark.parametrize(("options", "roles"), [([], {"user"}), (["--admin"], {"user", "admin"})])
def test_the_api_takes_it(directory: DataDirectory, options: list[str], roles: set[str]) -> None:
    made = token(directory, "--user-id", str(2**53 - 1), *options)
    settings = ApiSettings(jwt_secret=directory.jwt_secret())
    keys = SharedKey(directory.jwt_secret())
    principal = asyncio.run(Tokens(settings, keys).principal_of([f"Bearer {made}"]))
    assert (principal.user_id, principal.roles) == (2**53 - 1, roles)


def test_it_expires(directory: DataDirectory) -> None:
    import jwt

    made = token(directory, "--user-id", "7", "--expires-in-hours", "2.5")
    claims = jwt.decode(made, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 9000
    assert abs(claims["iat"] - time.time()) < 60
    assert claims["sub"] == "7"


def test_production_refuses_it(directory: DataDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMS_ENV", "production")
    for command in ["token", "--user-id", "1"], ["up"]:
        result = CliRunner().invoke(app, [*command, "--data-dir", str(directory.path)])
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("SMS_ENV=production: ")


def test_a_directory_without_an_up_has_no_tokens(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["token", "--user-id", "1", "--data-dir", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is no data directory yet" in result.stderr
    assert list(tmp_path.iterdir()) == []
