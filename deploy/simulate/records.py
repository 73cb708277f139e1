"""What the simulated router sends, one `Record` each, as Kafka and the ledger see it."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["message", "duplicate", "poison", "late", "status", "mapping"]


class Record(msgspec.Struct, gc=False):
    """One Kafka record and the truth about it.

    `value` is text where it is UTF-8. `user_id` is the user that the event counts for (0: none is
    known), `country` the one the other party really is in (`ZZ`: nobody can know). `reason` is
    the contract's reason for rejecting a poison record, `None` for all others.
    """

    key: str | None
    value: str | bytes | None
    kind: Kind
    user_id: int = 0
    country: str = "ZZ"
    reason: str | None = None
