"""Kafka topics, their settings and keys; contract section 1."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.events import MAX_EVENT_BYTES

USAGE = "sms.usage.v1"
DEAD_LETTERS = "sms.usage.dlq.v1"
USER_PHONES = "sms.user-phones.v1"
RATE_CARD = "sms.rate-card.v1"
PRIVACY = "sms.privacy.v1"
SYSTEM_USAGE = "sms.system-usage.v1"
ALERTS = "sms.alerts.v1"

_DAY_MS = 86_400_000
# A record above the contract's limit must still reach the worker, which says so in the DLQ.
USAGE_MAX_BYTES = 16 * MAX_EVENT_BYTES
DEAD_LETTER_HEADERS = (
    "reason",
    "detail",
    "source_topic",
    "source_partition",
    "source_offset",
    "failed_at",
)


@dataclass(frozen=True)
class Topic:
    """A topic as it is created: `partitions` on one machine, `config` in Kafka's own terms."""

    name: str
    partitions: int = 1
    config: dict[str, str] = field(default_factory=dict)


def topics(
    usage_partitions: int = 8, usage_days: float = 7, dead_letter_days: float = 7
) -> tuple[Topic, ...]:
    """Every topic of the product, with the settings that the contract fixes.

    `usage_days` and `dead_letter_days` are how long events and dead letters are held.
    """
    compacted = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1"}
    return (
        Topic(
            USAGE,
            usage_partitions,
            {
                "message.timestamp.type": "LogAppendTime",
                "retention.ms": str(int(usage_days * _DAY_MS)),
                "max.message.bytes": str(USAGE_MAX_BYTES),
            },
        ),
        Topic(
            DEAD_LETTERS,
            1,
            {
                "retention.ms": str(int(dead_letter_days * _DAY_MS)),
                "max.message.bytes": str(USAGE_MAX_BYTES + 16 * 1024),
            },
        ),
        Topic(USER_PHONES, 1, compacted),
        Topic(RATE_CARD, 1, compacted),
        Topic(PRIVACY, 1, compacted),
        Topic(SYSTEM_USAGE, 1, {"retention.ms": str(2 * _DAY_MS)}),
        Topic(ALERTS, 1, compacted),
    )
