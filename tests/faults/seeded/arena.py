"""A broker and a ClickHouse that can be made to fail, shared by many runs one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import clickhouse_connect
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from deploy.local import clickhouse, kafka
from deploy.local.ports import free_port
from deploy.migrate import migrate
from schemas.settings import clickhouse_arguments
from schemas.topics import DEAD_LETTERS
from tests.faults.proxy import Mode, Proxy
from tests.faults.seeded.disk import SmallDisk
from tests.streams.conftest import create_topics, delete_topics

_PASSWORD = "of-a-test"
_LETTER_BYTES = {"full": "100", "normal": "1114112"}


class Arena:
    """The back ends of the runs. `bootstrap` and `url` are theirs, the latter behind a proxy."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._kafka_port, clickhouse_port = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{self._kafka_port}"
        self._broker = self._start_broker()
        self.disk = SmallDisk(directory / "disk")
        self._server = clickhouse.start(
            directory / "disk" / "clickhouse",
            clickhouse_port,
            _PASSWORD,
            directory / "clickhouse.log",
        )
        self._direct = clickhouse.url(clickhouse_port, _PASSWORD)
        self.proxy = Proxy(self._direct)

    def clear(self, database: str) -> tuple[str, str]:
        """Empty topics and a new database; its URL past the proxy, and through it."""
        delete_topics(self.bootstrap)
        create_topics(self.bootstrap)
        url = f"{self._direct.removesuffix('/default')}/{database}"
        migrate(url)
        return url, f"{self.proxy.url.removesuffix('/default')}/{database}"

    def drop(self, database: str) -> None:
        """Drop a run's database."""
        with clickhouse_connect.get_client(**clickhouse_arguments(self._direct)) as client:
            client.command(f"DROP DATABASE {database}")

    def kill_broker(self) -> None:
        """SIGKILL the broker."""
        self._broker.kill()

    def start_broker(self) -> None:
        """Start it again over its log."""
        self._broker = self._start_broker()

    def take_dead_letters(self, size: str) -> None:
        """Let the dead-letter topic take nothing (`full`), or anything (`normal`)."""
        entry = ConfigEntry(
            "max.message.bytes",
            _LETTER_BYTES[size],
            incremental_operation=AlterConfigOpType.SET,
        )
        topic = ConfigResource(ResourceType.TOPIC, DEAD_LETTERS, incremental_configs=[entry])
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        for done in admin.incremental_alter_configs([topic]).values():
            done.result(30)

    def mend(self) -> None:
        """End whatever was done to it."""
        self.proxy.become(Mode.WORKS)
        self.disk.empty()
        if self._broker.exit_status is not None:
            self.start_broker()
        self.take_dead_letters("normal")

    def stop(self) -> None:
        """Stop everything."""
        self.proxy.close()
        for child in (self._server, self._broker):
            child.stop(10)
        self.disk.close()

    def _start_broker(self) -> kafka.Child:
        log = self._directory / "kafka.log"
        return kafka.start(self._directory / "kafka", self._kafka_port, log, lambda _: None)


@contextmanager
def arena(directory: Path) -> Iterator[Arena]:
    """An arena until the end of the block."""
    made = Arena(directory)
    try:
        yield made
    finally:
        made.stop()
