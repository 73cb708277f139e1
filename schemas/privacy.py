"""The records of `sms.privacy.v1`: what users decided about their data; contract section 1."""

from __future__ import annotations

from datetime import datetime

import msgspec

from schemas.events import Timestamp, UserId

_STEP_BITS = 16


class Consent(msgspec.Struct, frozen=True):
    """Whether a user's messages may be analysed; without a record they may.

    Withdrawal affects messages that are folded later: they count as user 0.
    """

    user_id: UserId
    analytics: bool
    recorded_at: Timestamp
    recorded_by: UserId


class Erasure(msgspec.Struct, frozen=True):
    """Everything of a user that the usage log held at this request has to go.

    `log_ends` says how far that is: the end of each partition (its number in decimal) of the topic
    with the id `topic_id`, just before the request was accepted.
    """

    user_id: UserId
    receipt_id: str
    requested_at: Timestamp
    requested_by: UserId
    topic_id: str = ""
    log_ends: dict[str, int] = {}

    @property
    def requested_ms(self) -> int:
        """When it was requested, in ms since the epoch."""
        return round(datetime.fromisoformat(self.requested_at).timestamp() * 1000)

    @property
    def revision(self) -> int:
        """The first revision of this erasure's rows; those of a later request are all higher."""
        return self.requested_ms << _STEP_BITS


def consent_key(user_id: int) -> str:
    """The record key of a user's consent: the newest counts."""
    return f"{user_id}:consent"


def erasure_key(user_id: int) -> str:
    """The record key of a user's erasure: the newest counts."""
    return f"{user_id}:erasure"
