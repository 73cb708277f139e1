"""What the control counts: messages per user, 15 minutes, direction, type and country.

It knows less than the product (no receipts, no prices, no dead letters), so that whatever it loses
or doubles is Faust's doing. It runs inside Faust and, for the truth, over the ledger.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

_QUARTER_S = 900


class Counted(NamedTuple):
    """A message that is counted, in its cell, once for its sid."""

    sid: str
    cell: str


def decode(value: bytes | None) -> Counted | None:
    """A message of the usage topic; None for what is none or cannot be read."""
    try:
        event = json.loads(value or b"")
        if event.get("type", "message") != "message":
            return None
        user = event.get("user_id") or event["phone_number"]
        second = int(datetime.fromisoformat(event["occurred_at"]).timestamp())
        direction = "inbound" if event["direction"] == "inbound" else "outbound"
        kind, country = event.get("message_type", "sms"), event.get("country_code")
        bucket = second - second % _QUARTER_S
        return Counted(event["message_sid"], f"{user}|{bucket}|{direction}|{kind}|{country}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def truth(values: Iterable[bytes | None], once: bool) -> Counter[str]:
    """Messages per cell when nothing goes wrong; each sid `once`, or as often as it was sent."""
    cells: Counter[str] = Counter()
    seen = set()
    for value in values:
        message = decode(value)
        if message is not None and not (once and message.sid in seen):
            seen.add(message.sid)
            cells[message.cell] += 1
    return cells
