"""The doctor's questions: each answers with a line, none raises."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import clickhouse_connect

from deploy.data_dir import DataDirectory
from deploy.errors import Unusable, sentences
from deploy.local.java import find_java
from deploy.local.ports import WantedPort, why_not
from deploy.migrate import pending, read_applied
from deploy.topics import check_broker, missing_topics
from schemas.migrations import MIGRATIONS
from schemas.settings import Settings, clickhouse_arguments
from schemas.topics import topics

_LEAST_FREE_GB = 2.0


@dataclass(frozen=True)
class Result:
    """The answer to one question."""

    name: str
    ok: bool
    detail: str


def machine(directory: DataDirectory, java: str, ports: Mapping[str, int]) -> list[Result]:
    """Python, Java and disk; and the ports of `up`, unless it is running."""
    results = [_python(), _asked("Java", lambda: _java(java)), _disk(directory)]
    if not directory.is_held():
        results += [_port(option, port) for option, port in ports.items()]
    return results


def back_ends(settings: Settings) -> list[Result]:
    """Whether Kafka and ClickHouse answer and have what they should have."""
    return [
        _asked("Kafka", lambda: _kafka(settings.bootstrap_servers)),
        _asked("ClickHouse", lambda: _clickhouse(settings.clickhouse_url)),
    ]


def _asked(name: str, question: Callable[[], str]) -> Result:
    try:
        with sentences():
            return Result(name, True, question())
    except Unusable as error:
        return Result(name, False, str(error))


def _python() -> Result:
    version = ".".join(map(str, sys.version_info[:3]))
    return Result("Python", sys.version_info >= (3, 11), f"{version} (3.11 or newer is needed)")


def _java(chosen: str) -> str:
    java = find_java(chosen)
    return f"{java.major} at {java.path}"


def _disk(directory: DataDirectory) -> Result:
    path = directory.path.absolute()
    place = next(place for place in (path, *path.parents) if place.exists())
    free_gb = shutil.disk_usage(place).free / 1e9
    return Result("Disk", free_gb >= _LEAST_FREE_GB, f"{free_gb:.0f} GB free at {place}")


def _port(option: str, port: int) -> Result:
    reason = why_not(WantedPort("127.0.0.1", port, option))
    detail = f"{reason}; choose another with {option}" if reason else "free"
    return Result(f"Port {port}", reason is None, detail)


def _kafka(servers: str) -> str:
    check_broker(servers)
    if missing := missing_topics(servers, topics()):
        raise Unusable(f"{servers} lacks the topics {', '.join(missing)}")
    return f"{servers} has every topic"


def _clickhouse(url: str) -> str:
    with clickhouse_connect.get_client(**clickhouse_arguments(url)) as client:
        if missing := pending(MIGRATIONS, read_applied(client)):
            raise Unusable(
                f"{len(missing)} migrations are not applied: run `sms-analytics migrate`"
            )
        return f"{client.server_version} has every migration"
