"""What a one-node Apache Kafka on this machine is told: its properties and its command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deploy.local.java import Java

# Everything that Kafka keeps in topics of its own has one copy here; small numbers of partitions
# keep the start and the data directory small. A broker that was killed may only come back once its
# old session has ended, so that is short.
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
group.min.session.timeout.ms=1000
num.recovery.threads.per.data.dir=2
log.cleaner.dedupe.buffer.size=8388608
"""

_LOG4J = """\
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %m (%c{1})%n%ex{short.message}
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
"""


def properties(port: int, controller_port: int, log_directory: Path) -> str:
    """`server.properties`: both listeners on the loopback address only."""
    return _PROPERTIES + (
        f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n"
        f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n"
        f"controller.quorum.voters=1@127.0.0.1:{controller_port}\n"
        f"log.dirs={log_directory}\n"
    )


def log4j_properties() -> str:
    """`log4j2.properties`: warnings and errors to standard output, which is the log file."""
    return _LOG4J


def java_command(
    java: Java, jars: Sequence[Path], directory: Path, main: str, *arguments: str
) -> list[str]:
    """Run a main class of Kafka's with a small heap and the settings in `directory`."""
    return [
        java.path,
        *java.quiet,
        *("-Xms128m", "-Xmx512m", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError"),
        *("-Djava.awt.headless=true", "-Dsun.stdout.encoding=UTF-8"),
        f"-Dlog4j2.configurationFile={directory / 'log4j2.properties'}",
        *("-cp", ":".join(map(str, jars)), main, *arguments),
    ]
