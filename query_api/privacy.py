"""What users decide about their data: published for the workers, then written down.

The record of the topic comes first: a decision that is shown is one that the workers will follow.
Each step may be repeated, so a request that failed half-way is simply sent again.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import msgspec

from query_api import questions
from query_api.period import Period
from query_api.questions import Asker, Row
from query_api.zones import clock_over, utc
from schemas.api.privacy import ConsentState, ErasureReceipt, ErasureReceipts, RemovedRows
from schemas.privacy import Consent, Erasure, consent_key, erasure_key
from schemas.rows import ERASURES
from schemas.topics import PRIVACY, USAGE

_TABLE = "privacy_requests"
_EVERYTHING = 2**64 - 1
_FILES_REMAIN = timedelta(minutes=10)
"""ClickHouse keeps parts that were replaced for 8 minutes, and looks once a minute."""


@dataclass(frozen=True)
class Retention:
    """How long topics hold a record, in days."""

    usage_topic_days: float
    dead_letter_days: float


class Publisher(Protocol):
    """What takes records: `KafkaPublisher`, or a test's."""

    async def publish(self, topic: str, key: str, value: bytes) -> None: ...
    async def log_of(self, topic: str) -> tuple[str, dict[int, int]]: ...
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
) -> str:
    """Hide everything of a user that the log holds now, and have the workers erase it.

    Returns the receipt's id. The workers follow the record alone, so that one which nobody was told
    of, because the database was lost in between, is carried out all the same.
    """
    progress = await questions.known_sources(database)
    topic_id, ends = await publisher.log_of(USAGE)
    receipt_id = uuid.uuid4().hex
    log_ends = {str(partition): end for partition, end in ends.items()}
    record = Erasure(user_id, receipt_id, _text(now), requested_by, topic_id, log_ends)
    await publisher.publish(PRIVACY, erasure_key(user_id), msgspec.json.encode(record))
    lines = [_hidden(record, row["source"]) for row in progress]
    if lines:
        await database.write(ERASURES, b"\n".join(lines))
    row = _row(user_id, now, receipt_id, "erasure", requested_by)
    await database.write(_TABLE, json.dumps(row).encode())
    return receipt_id


def _hidden(erasure: Erasure, source: int) -> bytes:
    """Until its worker has decided on a position, nothing of the source is shown."""
    row = {
        "user_id": erasure.user_id,
        "source": source,
        "receipt_id": erasure.receipt_id,
        "revision": erasure.revision,
        "position": str(_EVERYTHING),
        "step": "requested",
    }
    return json.dumps(row).encode()


async def receipts_of(asker: Asker, user_id: int, retention: Retention) -> ErasureReceipts:
    """A user's erasures, the newest first."""
    rows = await questions.erasures_of_user(asker, user_id)
    receipts: list[ErasureReceipt] = []
    for row in rows:
        # What a later erasure has done is done for all before it.
        later = receipts[-1].completed_at if receipts else None
        receipts.append(_receipt(user_id, row, retention, later))
    return ErasureReceipts(user_id=user_id, erasures=receipts)


def _receipt(
    user_id: int, row: Row, retention: Retention, later: datetime | None
) -> ErasureReceipt:
    requested_at, begun = utc(row["requested_ms"] / 1000), row["taken_up"]
    is_done = begun and row["done"] == row["sources"]
    completed_at = utc(row["changed_ms"] / 1000) if is_done else later
    longest = max(retention.usage_topic_days, retention.dead_letter_days)
    removed = RemovedRows(messages=row["messages"], receipts=row["receipts"], totals=row["cells"])
    files = None if completed_at is None else completed_at + _FILES_REMAIN
    status: Literal["accepted", "in_progress", "done"] = "in_progress" if begun else "accepted"
    return ErasureReceipt(
        receipt_id=row["receipt_id"],
        user_id=user_id,
        status="done" if completed_at else status,
        requested_at=requested_at,
        completed_at=completed_at,
        removed=removed if begun else None,
        files_gone_by=files,
        # A segment is deleted when its newest record is too old, which may be another's.
        topics_gone_by=requested_at + 2 * timedelta(days=longest),
        usage_topic_retention_days=retention.usage_topic_days,
        dead_letter_retention_days=retention.dead_letter_days,
    )


async def kept_of(
    asker: Asker, user_id: int, period: Period, retention: Retention
) -> dict[str, Any]:
    """What is kept about a user besides his messages, as JSON values; `asker` leaves out what is
    erased."""
    consent = await consent_of(asker, user_id)
    consents = await questions.consents_of_user(asker, user_id)
    erasures = await receipts_of(asker, user_id, retention)
    phones = await questions.phones_of_users(asker, [user_id])
    clock = clock_over(period.zone, period.start, period.end)
    totals = await questions.user_daily_report(asker, user_id, clock)
    return {
        "consent": consent.model_dump(mode="json"),
        "consents": [
            {
                "analytics": bool(row["analytics"]),
                "recorded_at": utc(row["at_ms"] / 1000).isoformat(),
                "recorded_by": row["requested_by"],
            }
            for row in consents
        ],
        "erasures": erasures.model_dump(mode="json")["erasures"],
        "phone_hashes": [f"{value:016x}" for row in phones for value in row["phone_hashes"]],
        # Micro-USD are exact; the decimal beside them is for tables.
        "totals": [{k: v for k, v in row.items() if k != "cost_usd"} for row in totals],
    }


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
