"""Answers about a user's own data: consent, and the receipt of an erasure."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ConsentDecision(BaseModel):
    """What a user decides."""

    model_config = ConfigDict(extra="forbid")

    analytics: bool = Field(description="Whether messages may be analysed for their user.")


class ConsentState(BaseModel):
    """What is in force. Withdrawal affects later messages, which count for nobody."""

    user_id: int
    analytics: bool
    recorded_at: datetime | None = Field(description="Null: never decided, so it is granted.")


class RemovedRows(BaseModel):
    """How many rows an erasure has removed so far; stubs of the messages stay without user and
    numbers, so that the system's totals stay exact."""

    messages: int
    receipts: int = Field(description="Receipts that waited for their message.")
    totals: int = Field(description="Rows of the user's totals.")


class ErasureReceipt(BaseModel):
    """An erasure: hidden from its request on, carried out by the workers.

    Rows of before lose user and numbers, and the user's totals are deleted. Until the topics'
    retention is over, what was published rests there.
    """

    receipt_id: str
    user_id: int
    status: Literal["accepted", "in_progress", "done"]
    requested_at: datetime
    completed_at: datetime | None = Field(
        None, description="When the last row of before was deleted; null until then."
    )
    removed: RemovedRows | None = Field(None, description="Null until workers have begun.")
    files_gone_by: datetime | None = Field(
        None,
        description="When ClickHouse has also deleted the files that the rows were in, unless its "
        "`old_parts_lifetime` says otherwise; null until the erasure is done.",
    )
    topics_gone_by: datetime | None = Field(
        None, description="When the topics no longer hold what was published before the request."
    )
    usage_topic_retention_days: float
    dead_letter_retention_days: float


class ErasureReceipts(BaseModel):
    """A user's requests for erasure, the newest first."""

    user_id: int
    erasures: list[ErasureReceipt]
