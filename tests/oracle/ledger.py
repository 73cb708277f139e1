"""Reads the simulator's ledger: what was sent, in order, and the truth about it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sent:
    """One record: key and value in Kafka's bytes, and what the ledger says about it.

    `kind` is `message`, `late`, `duplicate`, `status`, `poison` or `mapping`; `user_id` 0 means
    that nobody's is known.
    """

    key: bytes | None
    value: bytes | None
    kind: str
    user_id: int
    country: str
    reason: str | None


def read(path: Path) -> Iterator[Sent]:
    """The records of a ledger in the order of sending; an unfinished last line is left out."""
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield parse(line)


def parse(line: bytes) -> Sent:
    """One line of a ledger."""
    entry = json.loads(line)
    encoded = entry.get("value_base64")
    return Sent(
        _bytes(entry["key"]),
        base64.b64decode(encoded, validate=True) if encoded else _bytes(entry["value"]),
        entry["kind"],
        entry["user_id"],
        entry["country"],
        entry.get("reason"),
    )


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()
