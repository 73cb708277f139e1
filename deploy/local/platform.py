"""`up`: the whole product on one machine, in the processes that production runs too."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from deploy import runtime
from deploy.data_dir import DataDirectory
from deploy.errors import sentences
from deploy.local import clickhouse, kafka
from deploy.local.announcement import Announcement
from deploy.local.api_client import ApiClient
from deploy.local.children import Child
from deploy.local.patience import Patience
from deploy.local.ports import WantedPort, check_ports
from deploy.local.signals import interruptible, uninterrupted
from deploy.local.supervisor import TRAFFIC, WORK, Say, Supervisor
from deploy.migrate import migrate
from deploy.runtime import Runtime
from deploy.tokens import refuse_production
from deploy.topics import create_missing_topics, set_retention
from schemas.settings import Settings
from schemas.topics import topics
from streams.settings import PriceSettings

_LOOPBACK = "127.0.0.1"
_CLI = (sys.executable, "-m", "deploy.cli")


@dataclass(frozen=True)
class Options:
    """What `up` was asked for; `simulate` is events a second, None for no live traffic."""

    data_dir: Path
    host: str = _LOOPBACK
    api_port: int = 8000
    kafka_port: int = 9092
    clickhouse_port: int = 8123
    workers: int = 1
    simulate: float | None = None
    backfill_days: int = 0
    java: str = ""

    @property
    def ports(self) -> list[WantedPort]:
        """What has to be free, and the option that chooses another."""
        return [
            WantedPort(self.host, self.api_port, "--api-port"),
            WantedPort(_LOOPBACK, self.kafka_port, "--kafka-port"),
            WantedPort(_LOOPBACK, self.clickhouse_port, "--clickhouse-port"),
        ]


def up(options: Options, say: Say, announce: Say) -> None:
    """Run everything until SIGINT or SIGTERM. Raises Unusable when something stands in the way
    or a back end dies; in no case is anything left running.

    `say` takes progress; `announce` the addresses and tokens, once `/readyz` says ready.
    """
    refuse_production()
    directory = DataDirectory(options.data_dir)
    try:
        with interruptible(), directory.held():
            runtime.remove(directory)  # of an `up` that was killed
            check_ports(options.ports)
            platform = Platform(options, directory, say)
            try:
                platform.run(announce)
            finally:
                with uninterrupted():
                    say("Stopping")
                    platform.stop()
    except KeyboardInterrupt:
        say("Stopped")


class Platform:
    """The processes of one `up` and how they find each other."""

    def __init__(self, options: Options, directory: DataDirectory, say: Say) -> None:
        self._options = options
        self._directory = directory
        self._say = say
        self._supervisor = Supervisor(say)
        self._runtime = Runtime(
            kafka_url=f"kafka://{_LOOPBACK}:{options.kafka_port}",
            clickhouse_url=clickhouse.url(options.clickhouse_port, directory.clickhouse_password()),
            api_url=f"http://{_reachable(options.host)}:{options.api_port}",
            pids={},
        )
        self._environment = runtime.environment(directory, self._runtime)
        with sentences():
            self._has_twilio = PriceSettings().has_credentials

    def run(self, announce: Say) -> None:
        """Start all parts in the order in which they need each other, and watch them."""
        self._start_stores()
        for number in range(1, self._options.workers + 1):
            self._supervisor.keep(partial(self._worker, number), WORK)
        self._supervisor.keep(self._api, TRAFFIC)
        if self._has_twilio:
            self._supervisor.keep(self._prices, TRAFFIC)
        self._say("Waiting for the worker and the API")
        client = ApiClient(self._runtime.api_url)
        self._watch(Patience(client.unready, "Not ready yet", self._say).is_over)
        self._start_traffic()
        announcement = Announcement.of(self._runtime, self._directory)
        if self._options.simulate is not None or self._options.backfill_days:
            reason = partial(client.without_messages, announcement.user_token)
            self._watch(Patience(reason, "Waiting for the first messages", self._say).is_over)
        announce(announcement.text)
        self._watch(lambda: False)

    def stop(self) -> None:
        """Stop what was started, in order, within 15 s."""
        runtime.remove(self._directory)
        self._supervisor.stop()

    def _start_stores(self) -> None:
        options, directory = self._options, self._directory
        self._say("Starting Kafka")
        log = directory.log("kafka")
        broker = kafka.start(directory.kafka, options.kafka_port, log, self._say, options.java)
        self._supervisor.essential(broker)
        settings = Settings()
        days = (settings.topic_retention_days, settings.dead_letter_retention_days)
        wanted, servers = topics(8, *days), f"{_LOOPBACK}:{options.kafka_port}"
        create_missing_topics(servers, wanted)
        set_retention(servers, wanted)
        self._say("Starting ClickHouse")
        password, log = directory.clickhouse_password(), directory.log("clickhouse")
        server = clickhouse.start(directory.clickhouse, options.clickhouse_port, password, log)
        self._supervisor.essential(server)
        if applied := migrate(self._runtime.clickhouse_url):
            self._say(f"Applied {len(applied)} migrations")

    def _worker(self, number: int) -> Child:
        # A name that stays the same lets a worker that was killed have its partitions back at
        # once, without waiting for its session to time out.
        identity = {"SMS_INSTANCE_ID": f"up-worker-{number}"}
        return self._child(f"Worker {number}", [sys.executable, "-m", "streams.worker"], identity)

    def _api(self) -> Child:
        address = {"SMS_HOST": self._options.host, "SMS_API_PORT": str(self._options.api_port)}
        return self._child("API", [*_CLI, "api"], address)

    def _prices(self) -> Child:
        command = [*_CLI, "rates", "fetch", "--every-hours", "24"]
        return self._child("Prices", command, {})

    def _child(self, name: str, command: list[str], environment: Mapping[str, str]) -> Child:
        log = self._directory.log(name)
        return Child(name, command, log, {**self._environment, **environment})

    def _start_traffic(self) -> None:
        days = self._options.backfill_days
        if days and not self._directory.backfilled.exists():
            self._say(f"Filling {days} days of simulated history")
            child = self._child("Backfill", [*_CLI, "simulate", "--days", str(days)], {})
            self._supervisor.task(child, self._backfill_ended)
        else:
            self._start_live_traffic()

    def _backfill_ended(self, status: int) -> None:
        if status == 0:
            self._directory.backfilled.touch()
            self._say("The simulated history is in")
        self._start_live_traffic()

    def _start_live_traffic(self) -> None:
        if (rate := self._options.simulate) is not None:
            command = [*_CLI, "simulate", "--rate", str(rate)]
            self._supervisor.keep(lambda: self._child("Simulator", command, {}), TRAFFIC)

    def _watch(self, until: Callable[[], bool]) -> None:
        self._supervisor.watch(lambda: self._publish() or until())

    def _publish(self) -> bool:
        """Keep `runtime.json` true; never a reason to end a watch."""
        pids = self._supervisor.pids
        if pids != self._runtime.pids:
            self._runtime = msgspec.structs.replace(self._runtime, pids=pids)
            runtime.write(self._directory, self._runtime)
        return False


def _reachable(host: str) -> str:
    """An address at which a server that listens on `host` can be asked from this machine."""
    return {"0.0.0.0": _LOOPBACK, "::": "[::1]"}.get(host, host)  # noqa: S104
