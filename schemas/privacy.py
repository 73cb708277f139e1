"""The records of `sms.privacy.v1`: what users decided about their data; contract section 1."""

from __future__ import annotations

import msgspec

from schemas.events import Timestamp, UserId


class Consent(msgspec.Struct, frozen=True):
    """Whether a user's messages may be analysed; without a record they may.

    Withdrawal affects messages that are folded later: they count as user 0.
    """

    user_id: UserId
    analytics: bool
    recorded_at: Timestamp
    recorded_by: UserId


class Erasure(msgspec.Struct, frozen=True):
    """Everything of a user that was folded before this record has to go."""

    user_id: UserId
    receipt_id: str
    requested_at: Timestamp
    requested_by: UserId


def consent_key(user_id: int) -> str:
    """The record key of a user's consent: the newest counts."""
    return f"{user_id}:consent"


def erasure_key(user_id: int) -> str:
    """The record key of a user's erasure: the newest counts."""
    return f"{user_id}:erasure"
