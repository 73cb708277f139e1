"""Bearer tokens: who asks, and with which roles.

A token is checked with the one algorithm of its key, so neither `none` nor a public key used as a
shared one passes (RFC 8725 section 3.1); `exp`, `iat`, `iss`, `aud` and `sub` are required.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from query_api.errors import UnauthorizedError
from query_api.keys import Key, TokenKeys
from query_api.settings import ApiSettings

MAX_TOKEN_CHARACTERS = 4096
MAX_USER_ID = 2**53 - 1
MAX_KNOWN = 10_000
"""Good tokens that are remembered; the one that was used longest ago is judged anew."""
ROLES = frozenset({"user", "admin"})

_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]
_USER_ID = re.compile(r"[1-9][0-9]{0,15}")
_NOT_VALID = "The token is not valid."


@dataclass(frozen=True)
class Principal:
    """Who sent a request: the token's user and those of its roles that this API knows."""

    user_id: int
    roles: frozenset[str]


@dataclass(frozen=True)
class _Known:
    """A token that was found good: its header, the key that signed it, until when it holds."""

    header: Mapping[str, Any]
    key: Key
    expires_at: float
    principal: Principal


class Tokens:
    """Judges tokens. The signature of one that was good is not checked again, for as long as the
    same key stands for it and it has not expired."""

    def __init__(self, settings: ApiSettings, keys: TokenKeys) -> None:
        self._settings = settings
        self._keys = keys
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def principal_of(self, authorization: list[str]) -> Principal:
        """The principal of a request's `Authorization` headers.

        Raises `UnauthorizedError`, and `UnavailableError` while no key is known.
        """
        token = _bearer(authorization)
        known = self._known.get(token)
        if not known or not await self._holds(known):
            known = await self._judge(token)
        self._known[token] = known
        self._known.move_to_end(token)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return known.principal

    async def _holds(self, known: _Known) -> bool:
        is_same = await self._keys.find(known.header) is known.key
        return is_same and time.time() < known.expires_at

    async def _judge(self, token: str) -> _Known:
        settings = self._settings
        try:
            header = jwt.get_unverified_header(token)
            key = await self._keys.find(header)
            if key is None:
                raise UnauthorizedError(_NOT_VALID, has_token=True)
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=settings.jwt_audience,
                issuer=settings.jwt_issuer,
                leeway=settings.jwt_leeway_s,
                options={"require": _REQUIRED},
            )
            expires_at = int(claims["exp"]) + settings.jwt_leeway_s
        except jwt.ExpiredSignatureError:
            raise UnauthorizedError("The token has expired.", has_token=True) from None
        # Beyond PyJWT's own errors: what hostile JSON makes int() and the JSON parser raise.
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise UnauthorizedError(_NOT_VALID, has_token=True) from None
        return _Known(header, key, expires_at, _principal(claims))


def _bearer(authorization: list[str]) -> str:
    if not authorization:
        raise UnauthorizedError("A bearer token is required.", has_token=False)
    if len(authorization) > 1:
        raise UnauthorizedError("More than one Authorization header was sent.", has_token=True)
    scheme, _, token = authorization[0].partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthorizedError("A bearer token is required.", has_token=False)
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise UnauthorizedError(
            f"The token is longer than {MAX_TOKEN_CHARACTERS} characters.", has_token=True
        )
    return token.strip()


def _principal(claims: Mapping[str, Any]) -> Principal:
    subject, roles = claims["sub"], claims.get("roles")
    if not _USER_ID.fullmatch(subject) or int(subject) > MAX_USER_ID:
        raise UnauthorizedError("The token's sub is not a user id.", has_token=True)
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise UnauthorizedError("The token's roles are not a list of names.", has_token=True)
    return Principal(int(subject), ROLES & set(roles))
