"""What is kept of a phone number: a keyed hash."""

from __future__ import annotations

from hashlib import blake2b, sha256


def keyed_hash(number: str, privacy_key: str) -> str:
    """64 bits of the number's BLAKE2b under the key's SHA-256, as 16 hex digits."""
    key = sha256(privacy_key.encode()).digest()
    return blake2b(number.encode(), digest_size=8, key=key).hexdigest()
