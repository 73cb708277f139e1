"""The record of `sms.user-phones.v1` (UserPhoneMapping): which user a phone number belongs to."""

from __future__ import annotations

import msgspec

from schemas.events import UserId


class UserPhone(msgspec.Struct, frozen=True):
    """The user of the phone number that is the record's key; a tombstone ends the mapping."""

    user_id: UserId
