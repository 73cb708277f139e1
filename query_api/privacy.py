"""What users decide about their data: published for the workers, then written down.

The record of the topic comes first: a decision that is shown is one that the workers will follow.
Each step may be repeated, so a request that failed half-way is simply sent again.
"""

from __future__ import annotations

import json
import uuid
from typing import Protocol

import msgspec

from query_api import questions
from query_api.questions import Asker
from query_api.zones import utc
from schemas.api.privacy import ConsentState, ErasureReceipt
from schemas.privacy import Consent, Erasure, consent_key, erasure_key
from schemas.topics import DEAD_LETTERS, PRIVACY, USAGE, topics

_TABLE = "privacy_requests"
_DAY_MS = 86_400_000


class Publisher(Protocol):
    """What takes records: `KafkaPublisher`, or a test's."""

    async def publish(self, topic: str, key: str, value: bytes) -> None: ...
    def close(self) -> None: ...


class Database(Asker, Protocol):
    """What answers questions and takes rows: `ClickHousePool`."""

    async def write(self, table: str, lines: bytes) -> None: ...


async def consent_of(asker: Asker, user_id: int) -> ConsentState:
    """A user's consent: granted unless it was withdrawn."""
    rows = await questions.user_consent(asker, user_id)
    if not rows:
        return ConsentState(user_id=user_id, analytics=True, recorded_at=None)
    at = utc(rows[0]["at_ms"] / 1000)
    return ConsentState(user_id=user_id, analytics=bool(rows[0]["analytics"]), recorded_at=at)


async def decide(
    database: Database, publisher: Publisher, user_id: int, analytics: bool, now: float
) -> ConsentState:
    """Record a user's decision; one that is in force already is not recorded again."""
    state = await consent_of(database, user_id)
    if state.recorded_at is not None and state.analytics == analytics:
        return state
    record = Consent(user_id, analytics, _text(now), user_id)
    await publisher.publish(PRIVACY, consent_key(user_id), msgspec.json.encode(record))
    row = _row(user_id, now, uuid.uuid4().hex, "consent", user_id) | {"analytics": int(analytics)}
    await database.write(_TABLE, json.dumps(row).encode())
    return await consent_of(database, user_id)


async def erase(
    database: Database, publisher: Publisher, user_id: int, requested_by: int, now: float
) -> ErasureReceipt:
    """Have the workers erase everything of a user that was folded until now."""
    # Asked first: without the database nothing is promised.
    await consent_of(database, user_id)
    receipt_id = uuid.uuid4().hex
    record = Erasure(user_id, receipt_id, _text(now), requested_by)
    await publisher.publish(PRIVACY, erasure_key(user_id), msgspec.json.encode(record))
    row = _row(user_id, now, receipt_id, "erasure", requested_by)
    await database.write(_TABLE, json.dumps(row).encode())
    return ErasureReceipt(
        receipt_id=receipt_id,
        user_id=user_id,
        status="accepted",
        requested_at=utc(now),
        usage_topic_retention_days=_retention_days(USAGE),
        dead_letter_retention_days=_retention_days(DEAD_LETTERS),
    )


def _row(
    user_id: int, now: float, receipt_id: str, kind: str, requested_by: int
) -> dict[str, object]:
    return {
        "user_id": user_id,
        "at": f"{now:.3f}",
        "receipt_id": receipt_id,
        "kind": kind,
        "requested_by": requested_by,
    }


def _text(now: float) -> str:
    return utc(now).isoformat(timespec="milliseconds")


def _retention_days(name: str) -> float:
    (config,) = (topic.config for topic in topics() if topic.name == name)
    return int(config["retention.ms"]) / _DAY_MS
