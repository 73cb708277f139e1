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


class ErasureReceipt(BaseModel):
    """An erasure was accepted; the workers carry it out.

    Rows of before lose user and numbers, and the user's totals are deleted. Until the topics'
    retention is over, what was published rests there.
    """

    receipt_id: str
    user_id: int
    status: Literal["accepted"]
    requested_at: datetime
    usage_topic_retention_days: float
    dead_letter_retention_days: float
