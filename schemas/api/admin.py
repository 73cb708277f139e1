"""Answers for administrators: the audit log and the users."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field


class AuditEntry(BaseModel):
    """One request that was audited: an admin's, an export, or one that was refused."""

    at: datetime
    entry_id: str
    request_id: str = Field(description="Also in the answer's X-Request-ID and in the logs.")
    actor_id: int | None = Field(description="Who asked; null without a valid token.")
    roles: list[str]
    method: str
    route: str = Field(description="The route's template, never with its parameters.")
    subject_id: int | None = Field(description="Whose data it was about; null: the system's.")
    decision: Literal["allowed", "refused"]
    status: int


class AuditPage(BaseModel):
    """One page of the audit log, newest first."""

    entries: list[AuditEntry]
    next_cursor: str | None = Field(
        description="Ask again with `cursor` set to it for the next page; null on the last."
    )
    generated_at: datetime


class KnownUser(BaseModel):
    """A user with usage; phone numbers are keyed hashes, of which at most 20 are listed."""

    user_id: int
    messages: int
    cost_usd: float
    cost_micros: int
    first_day: date = Field(description="First UTC day with messages, within retention.")
    last_day: date
    analytics_consent: bool = Field(
        description="False: withdrawn, so that later messages count for nobody."
    )
    phone_hashes: list[str] = Field(description="Of the numbers that were mapped to the user.")


class UserPage(BaseModel):
    """One page of the users, the most recently active first."""

    users: list[KnownUser]
    next_cursor: str | None = Field(
        description="Ask again with `cursor` set to it for the next page; null on the last."
    )
    generated_at: datetime
