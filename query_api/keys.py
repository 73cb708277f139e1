"""Keys that tokens may be signed with; each goes with the one algorithm that it may be used for.

Pure: a JWK Set (RFC 7517) becomes a mapping. A token's header can choose among these keys and name
nothing else: `jku`, `x5u` and `jwk` are never looked at (RFC 8725, sections 3.1 and 3.10).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

SHARED_ALGORITHM = "HS256"
MAX_KEYS = 100
MAX_KID_CHARACTERS = 256
_MIN_RSA_BITS = 2048
_ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
"""By type and curve; of RSA's algorithms only this one."""


@dataclass(frozen=True)
class Key:
    """A key and its algorithm."""

    key: Any
    algorithm: str


KeySet = Mapping[tuple[str, str], Key]
"""By `kid` and algorithm."""


class TokenKeys(Protocol):
    """Where the keys of tokens come from: a shared secret, or an issuer."""

    async def find(self, header: Mapping[str, Any]) -> Key | None:
        """The key of a token's header; None where there is none. Raises `UnavailableError`."""


class SharedKey:
    """One secret that whoever issues tokens has too (HS256)."""

    def __init__(self, secret: str) -> None:
        self._key = Key(secret, SHARED_ALGORITHM)

    async def find(self, header: Mapping[str, Any]) -> Key | None:
        """The secret, for tokens that claim HS256."""
        return self._key if header.get("alg") == SHARED_ALGORITHM else None


def key_set(document: bytes, algorithms: Collection[str]) -> KeySet:
    """The keys of a JWK Set that sign tokens by one of `algorithms`.

    Raises ValueError where it is no JWK Set or none of its keys can be used. Left out are secrets
    and private keys, keys for encryption, weak ones, and those without a `kid`.
    """
    try:
        found = json.loads(document)
    except RecursionError:
        raise ValueError("the key set is nested too deeply") from None
    jwks = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(jwks, list):
        raise ValueError("what the issuer sent is no JWK Set")
    if len(jwks) > MAX_KEYS:
        raise ValueError(f"the key set has more than {MAX_KEYS} keys")
    keys: dict[tuple[str, str], Key] = {}
    for jwk in jwks:
        algorithm = _algorithm(jwk)
        if algorithm in algorithms and (key := _public_key(jwk, algorithm)) is not None:
            keys.setdefault((jwk["kid"], algorithm), Key(key, algorithm))
    if not keys:
        raise ValueError(f"the key set has no key for {', '.join(sorted(algorithms))}")
    return keys


def _algorithm(jwk: Any) -> str:
    """What a key may be used for; empty for a key that is left out."""
    if not isinstance(jwk, dict) or "d" in jwk:
        return ""
    kid, use, operations = jwk.get("kid"), jwk.get("use", "sig"), jwk.get("key_ops", ["verify"])
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID_CHARACTERS:
        return ""
    if use != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return ""
    kind, curve = jwk.get("kty"), jwk.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return ""
    algorithm = _ALGORITHMS.get((kind, curve), "")
    return algorithm if jwk.get("alg", algorithm) == algorithm else ""


def _public_key(jwk: dict[str, Any], algorithm: str) -> Any:
    """The key itself; None where it is broken or weak."""
    try:
        key = jwt.PyJWK(jwk, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size < _MIN_RSA_BITS:
        return None
    return key
