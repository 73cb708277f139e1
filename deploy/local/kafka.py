"""A one-node Apache Kafka (KRaft) on this machine: `python -m deploy.local.kafka --data-dir D`.

The real broker, run by the JRE that comes as a Python wheel; see `kafka_jars` for how it gets
here. Its log is in the data directory and survives a restart.
"""

from __future__ import annotations

import argparse
import base64
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path

from deploy.errors import Unusable
from deploy.local import kafka_config
from deploy.local.children import Child
from deploy.local.java import Java, find_java
from deploy.local.kafka_jars import Report, kafka_jars
from deploy.local.ports import free_port
from deploy.topics import create_missing_topics, wait_for_broker
from schemas.topics import topics


def prepare(directory: Path, port: int, report: Report, java: str = "") -> list[str]:
    """Write the broker's settings, format its storage once, and return the command that runs it.

    `java` is a java program to use instead of the one that is found. Raises Unusable.
    """
    program = find_java(java)
    jars = kafka_jars(report)
    directory.mkdir(parents=True, exist_ok=True)
    settings = directory / "server.properties"
    log_directory = directory.resolve() / "log"
    # The controller speaks to itself only, so any free port will do, a new one at each start.
    settings.write_text(kafka_config.properties(port, free_port(), log_directory))
    (directory / "log4j2.properties").write_text(kafka_config.log4j_properties())
    if not (log_directory / "meta.properties").exists():
        report("Formatting Kafka's storage")
        _format(program, jars, directory, settings)
    return kafka_config.java_command(program, jars, directory, "kafka.Kafka", str(settings))


def _format(java: Java, jars: list[Path], directory: Path, settings: Path) -> None:
    command = kafka_config.java_command(
        java,
        jars,
        directory,
        "kafka.tools.StorageTool",
        *("format", "--cluster-id", _cluster_id(), "--config", str(settings)),
    )
    run = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
    if run.returncode:
        reason = (run.stderr + run.stdout).strip().splitlines() or ["it gave no reason"]
        raise Unusable(f"Kafka's storage in {directory} cannot be formatted: {reason[0]}")


def _cluster_id() -> str:
    """A random UUID as Kafka writes it; one that begins with `-` would be taken for an option."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes)[:22].decode()).startswith("-"):
        pass
    return text


def start(directory: Path, port: int, log: Path, report: Report, java: str = "") -> Child:
    """Start the broker and wait until it answers. Raises Unusable when it does not come up."""
    broker = Child("Kafka", prepare(directory, port, report, java), log)
    try:
        if wait_for_broker(f"127.0.0.1:{port}", lambda: broker.exit_status is None):
            return broker
        raise Unusable(f"Kafka did not start: {broker.last_line} (see {log}).")
    except BaseException:
        broker.kill()
        raise


def main() -> int:
    """Run a broker with the product's topics until SIGTERM or SIGINT, or until it dies."""
    parser = argparse.ArgumentParser(description="A one-node Apache Kafka.")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, default=9092)
    options = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        log = options.data_dir / "kafka.log"
        options.data_dir.mkdir(parents=True, exist_ok=True)
        broker = start(options.data_dir, options.port, log, _say)
        create_missing_topics(f"127.0.0.1:{options.port}", topics())
    except Unusable as error:
        return _fail(error)
    _say(f"Kafka on 127.0.0.1:{options.port}")
    while broker.exit_status is None and not stopped.wait(0.2):
        pass
    broker.stop(10.0)
    return 0 if stopped.is_set() else _fail(f"Kafka died: {broker.last_line}")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def _fail(reason: object) -> int:
    print(reason, file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
