"""`runtime.json`: how a running `up` tells the other commands where its parts are."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from deploy.data_dir import DataDirectory

_FILE = "runtime.json"


class Runtime(msgspec.Struct, frozen=True):
    """Addresses and process ids of one `up`. The ClickHouse URL holds its password."""

    kafka_url: str
    clickhouse_url: str
    api_url: str
    pids: dict[str, int]


def write(directory: DataDirectory, runtime: Runtime) -> None:
    """Replace the file as a whole, readable for its owner only."""
    new = directory.path / f"{_FILE}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(runtime)))
    new.replace(directory.path / _FILE)


def remove(directory: DataDirectory) -> None:
    """Remove the file: nothing runs any more."""
    (directory.path / _FILE).unlink(missing_ok=True)


def read(directory: DataDirectory) -> Runtime | None:
    """What runs on a data directory; None when no `up` does, or not yet."""
    file = directory.path / _FILE
    if not (directory.is_held() and file.exists()):
        return None
    return msgspec.json.decode(file.read_bytes(), type=Runtime)


def environment(directory: DataDirectory, runtime: Runtime) -> dict[str, str]:
    """The settings by which a process joins what runs on a data directory."""
    return {
        "SMS_KAFKA_URL": runtime.kafka_url,
        "SMS_CLICKHOUSE_URL": runtime.clickhouse_url,
        "SMS_JWT_SECRET": directory.jwt_secret(),
        "SMS_PRIVACY_KEY": directory.privacy_key(),
    }


def join(data_dir: Path) -> None:
    """Let this process's settings be those of the `up` that runs on `data_dir`, except for what
    the environment already says. Without an `up` nothing changes."""
    directory = DataDirectory(data_dir)
    if runtime := read(directory):
        for name, value in environment(directory, runtime).items():
            os.environ.setdefault(name, value)
