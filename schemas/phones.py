"""Phone numbers: the record of `sms.user-phones.v1` (UserPhoneMapping), and the keyed hash."""

from __future__ import annotations

import hashlib

import msgspec

from schemas.events import UserId


class UserPhone(msgspec.Struct, frozen=True):
    """The user of the phone number that is the record's key; a tombstone ends the mapping."""

    user_id: UserId


def phone_hash(number: str, privacy_key: str) -> int:
    """What is kept of an E.164 number: its BLAKE2b under a secret key, cut to 64 bits, never 0."""
    key = hashlib.sha256(privacy_key.encode()).digest()
    digest = hashlib.blake2b(number.encode(), digest_size=8, key=key).digest()
    return int.from_bytes(digest, "big") or 1
