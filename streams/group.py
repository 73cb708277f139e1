"""The workers' consumer group, seen from outside: who is in it."""

from __future__ import annotations

import time

from confluent_kafka import ConsumerGroupState, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from streams.errors import RefusedError

# A worker that was killed stays a member until its session of 20 s ends.
LEAVES_WITHIN_S = 30.0
"""How long a worker that has ended may seem to run."""
_RPC_S = 10.0


def wait_until_empty(admin: AdminClient, group: str, patience_s: float) -> None:
    """Return once no worker is in the group. Raises RefusedError when one stays."""
    deadline = time.monotonic() + patience_s
    while members := _members(admin, group):
        if time.monotonic() > deadline:
            raise RefusedError(
                f"workers of the group {group} still run ({members}); stop them first"
            )
        time.sleep(0.2)


def _members(admin: AdminClient, group: str) -> int:
    """How many members the group has; 0 when there is no such group."""
    try:
        described = admin.describe_consumer_groups([group], request_timeout=_RPC_S)[group].result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return 0
        raise
    if described.state in (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD):
        return 0
    # While a group rebalances, it may show no member for a moment.
    return max(1, len(described.members))
