"""Keyset cursors: where a page ended, signed together with what was asked.

A cursor that was altered, or is used with other parameters than those it was made for, is a 422.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

from query_api.errors import invalid

MAX_CHARACTERS = 480
"""A sid of 64 characters of 4 bytes fits."""
_MAC_BYTES = 16


class CursorSigner:
    """Makes and reads cursors with a key derived from `secret`."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"cursor", "sha256")

    def cursor(self, key: float, identity: int | str, asked: str) -> str:
        """The cursor behind a row with these sort values; `asked` names the question."""
        values = [key, identity]
        payload = json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()
        return base64.urlsafe_b64encode(self._mac(payload, asked) + payload).decode()

    def after(self, cursor: str, asked: str) -> tuple[float, int | str]:
        """The sort values that a cursor stands for; raises `InvalidParametersError`."""
        try:
            text = base64.b64decode(cursor, altchars=b"-_", validate=True)
        except ValueError:
            text = b""
        mac, payload = text[:_MAC_BYTES], text[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload, asked)):
            raise invalid(
                "cursor", "cursor is not one that was given out for these parameters and zone"
            )
        key, identity = json.loads(payload)
        return float(key), identity

    def _mac(self, payload: bytes, asked: str) -> bytes:
        return hmac.digest(self._key, payload + b"|" + asked.encode(), hashlib.sha256)[:_MAC_BYTES]
