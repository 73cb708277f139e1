"""`runtime.json`: other commands join the `up` that runs on a data directory."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from deploy import runtime
from deploy.data_dir import DataDirectory
from deploy.runtime import Runtime

RUNTIME = Runtime("kafka://127.0.0.1:1", "http://127.0.0.1:2/default", "http://127.0.0.1:3", {})
NAMES = ("SMS_KAFKA_URL", "SMS_CLICKHOUSE_URL", "SMS_JWT_SECRET", "SMS_PRIVACY_KEY")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the settings that `join` may set, now and after the test."""
    for name in NAMES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_settings_become_those_of_a_running_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = DataDirectory(tmp_path)
    monkeypatch.setenv("SMS_KAFKA_URL", "kafka://elsewhere:9092")
    with directory.held():
        runtime.write(directory, RUNTIME)
        runtime.join(tmp_path)
    assert [os.environ.get(name) for name in NAMES] == [
        "kafka://elsewhere:9092",
        RUNTIME.clickhouse_url,
        directory.jwt_secret(),
        directory.privacy_key(),
    ]


def test_what_a_killed_up_left_behind_is_not_believed(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    with directory.held():
        runtime.write(directory, RUNTIME)
        assert runtime.read(directory) == RUNTIME
    assert runtime.read(directory) is None
    runtime.join(tmp_path)
    assert not set(NAMES) & set(os.environ)


def test_it_is_for_the_owner_only_and_can_be_removed_twice(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    runtime.write(directory, RUNTIME)
    assert stat.S_IMODE((tmp_path / "runtime.json").stat().st_mode) == 0o600
    runtime.remove(directory)
    runtime.remove(directory)
    assert list(tmp_path.iterdir()) == []
