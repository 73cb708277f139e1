"""What an erasure leaves of messages: stubs, which count for the system and belong to nobody.

A stub keeps what totals are made of, and is found by a keyed hash of its sid, so a duplicate or a
receipt that comes later still finds it. Design section 1: a row is a function of its log prefix and
of the positions at which users were erased, and these are written down before they have an effect.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import numpy as np

from schemas.rows import USER_DECISIONS
from streams.core.columns import Flags, Ints
from streams.core.message import UNKNOWN_USER, Messages
from streams.core.recent import MessageRows, MessageTable

_PREFIX = b"erased:"
_STUB_BYTES = len(_PREFIX) + 64
NEVER = -1

StubOf = Callable[[bytes], bytes]
"""Makes the sid of a stub of a message's sid."""


class StubSids:
    """BLAKE2b of sids under a secret key; longer than any sid may be, so never one."""

    def __init__(self, privacy_key: str) -> None:
        self._key = hashlib.sha256(privacy_key.encode()).digest()

    def of(self, sid: bytes) -> bytes:
        """The sid that a stub has instead of this one; that of a stub is itself."""
        if is_stub(sid):
            return sid
        digest = hashlib.blake2b(sid, digest_size=32, key=self._key, person=b"message_sid")
        return _PREFIX + digest.hexdigest().encode()


def is_stub(sid: bytes) -> bool:
    """Whether this is the sid of a stub."""
    return len(sid) == _STUB_BYTES and sid.startswith(_PREFIX)


class Cuts:
    """Before which position of a source everything of a user is erased, by user."""

    def __init__(self, cuts: Mapping[int, int] | None = None) -> None:
        ordered = sorted((cuts or {}).items())
        self.users = np.array([user for user, _ in ordered], np.int64)
        self.positions = np.array([position for _, position in ordered], np.int64)

    def __len__(self) -> int:
        return len(self.users)

    def of(self, users: Ints) -> Ints:
        """The position of each user; NEVER for those who were never erased."""
        if not len(self.users):
            return np.full(len(users), NEVER, np.int64)
        places = np.minimum(np.searchsorted(self.users, users), len(self.users) - 1)
        return np.where(self.users[places] == users, self.positions[places], NEVER)


def are_erased(messages: Messages, cuts: Cuts) -> Flags:
    """Which of these messages lie before their user's erasure."""
    erased: Flags = messages["position"] < cuts.of(messages["user_id"])
    return erased


def make_anonymous(messages: Messages, places: Ints) -> None:
    """Take user, numbers and carrier from messages; what totals are made of stays."""
    messages["user_id"][places] = UNKNOWN_USER
    messages["user_decision"][places] = USER_DECISIONS["erased"]
    for name in ("phone_hash", "counterparty_hash"):
        messages[name][places] = 0
    messages["mcc_mnc"][places] = b""


def stubs_of(rows: MessageRows, stub_of: StubOf) -> MessageRows:
    """Stubs of all these messages."""
    messages = rows.messages.copy()
    make_anonymous(messages, np.arange(len(messages)))
    return MessageRows([stub_of(sid) for sid in rows.sids], messages, rows.histories)


def forget_messages(table: MessageTable, cuts: Cuts, stub_of: StubOf) -> int:
    """Make stubs of the erased messages of a table, to be written again; how many."""
    rows = np.flatnonzero(are_erased(table.rows[: len(table)], cuts))
    if len(rows):
        changed = table.gather(rows)
        make_anonymous(changed, np.arange(len(rows)))
        table.rename(rows, [stub_of(table.sid(row)) for row in rows.tolist()], changed)
    return len(rows)
