"""Creates the product's topics on a broker; see `schemas.topics` for what they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from deploy.errors import Unusable
from schemas.topics import Topic

_TIMEOUT_S = 30.0
_RETENTION = "retention.ms"


def create_missing_topics(
    bootstrap_servers: str, wanted: Iterable[Topic], replication_factor: int = 1
) -> list[str]:
    """Create the topics that the broker lacks, leave the others as they are.

    Returns the names of those created, once the broker shows them to everyone. Raises Unusable,
    naming the topic, when one cannot be created.
    """
    admin, wanted = _admin(bootstrap_servers), list(wanted)
    new = [
        NewTopic(topic.name, topic.partitions, replication_factor, config=dict(topic.config))
        for topic in wanted
    ]
    created = []
    for name, future in admin.create_topics(new, operation_timeout=_TIMEOUT_S).items():
        try:
            future.result(_TIMEOUT_S)
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                reason = error.args[0].str()
                raise Unusable(f"The topic {name} cannot be created: {reason}.") from None
    _wait_until_visible(bootstrap_servers, wanted)
    return created


def set_retention(bootstrap_servers: str, wanted: Iterable[Topic]) -> list[str]:
    """Have topics hold records for as long as is wanted, where they do not; their names.

    Raises Unusable, naming the topic, when that is refused.
    """
    admin = _admin(bootstrap_servers)
    times = {topic.name: topic.config.get(_RETENTION) for topic in wanted}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name, ms in times.items() if ms]
    changed = []
    for resource, described in admin.describe_configs(resources).items():
        ms = times[resource.name]
        try:
            if described.result(_TIMEOUT_S)[_RETENTION].value == ms:
                continue
            entry = ConfigEntry(_RETENTION, ms, incremental_operation=AlterConfigOpType.SET)
            change = ConfigResource(ResourceType.TOPIC, resource.name, incremental_configs=[entry])
            for future in admin.incremental_alter_configs([change]).values():
                future.result(_TIMEOUT_S)
        except KafkaException as error:
            reason = error.args[0].str()
            raise Unusable(f"The retention of {resource.name} cannot be set: {reason}.") from None
        changed.append(resource.name)
    return changed


def _wait_until_visible(bootstrap_servers: str, wanted: Sequence[Topic]) -> None:
    """The controller acknowledges a topic before the brokers have heard of it."""
    deadline = time.monotonic() + _TIMEOUT_S
    while missing := missing_topics(bootstrap_servers, wanted):
        if time.monotonic() > deadline:
            raise Unusable(f"Kafka does not show the new topics {', '.join(missing)}.")
        time.sleep(0.05)


def missing_topics(bootstrap_servers: str, wanted: Sequence[Topic]) -> list[str]:
    """The names of those topics that the broker does not have. Raises KafkaException when it
    cannot be reached."""
    present = _admin(bootstrap_servers).list_topics(timeout=5).topics
    return [
        topic.name
        for topic in wanted
        if topic.name not in present or present[topic.name].error is not None
    ]


def check_broker(bootstrap_servers: str) -> None:
    """Raise Unusable unless a broker answers."""
    if not wait_for_broker(bootstrap_servers, lambda: True, patience_s=5):
        raise Unusable(f"Kafka does not answer at {bootstrap_servers}.")


def wait_for_broker(
    bootstrap_servers: str, is_alive: Callable[[], bool], patience_s: float = 60.0
) -> bool:
    """Wait until a broker answers; False when it died, or did not in time."""
    admin = _admin(bootstrap_servers)
    deadline = time.monotonic() + patience_s
    while is_alive() and time.monotonic() < deadline:
        try:
            if admin.list_topics(timeout=1).brokers:
                return True
        except KafkaException:
            time.sleep(0.1)
    return False


def _admin(bootstrap_servers: str) -> AdminClient:
    # Its own logger would write every refused connection of a broker that is still starting.
    return AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
