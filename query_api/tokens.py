"""Bearer tokens: who asks, and with which roles.

A token is checked with the one algorithm of its key, so neither `none` nor a public key used as a
shared one passes (RFC 8725 section 3.1); `exp`, `iat`, `iss`, `aud` and `sub` are required.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from query_api.errors import UnauthorizedError
from query_api.keys import TokenKeys
from query_api.settings import ApiSettings

MAX_TOKEN_CHARACTERS = 4096
MAX_USER_ID = 2**53 - 1
ROLES = frozenset({"user", "admin"})

_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]
_USER_ID = re.compile(r"[1-9][0-9]{0,15}")
_NOT_VALID = "The token is not valid."


@dataclass(frozen=True)
class Principal:
    """Who sent a request: the token's user and those of its roles that this API knows."""

    user_id: int
    roles: frozenset[str]


async def principal_of(
    authorization: list[str], settings: ApiSettings, keys: TokenKeys
) -> Principal:
    """The principal of a request's `Authorization` headers.

    Raises `UnauthorizedError`, and `UnavailableError` while no key is known.
    """
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
    return _principal(await _claims(token.strip(), settings, keys))


async def _claims(token: str, settings: ApiSettings, keys: TokenKeys) -> Mapping[str, Any]:
    try:
        key = await keys.find(jwt.get_unverified_header(token))
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
    except jwt.ExpiredSignatureError:
        raise UnauthorizedError("The token has expired.", has_token=True) from None
    # Beyond PyJWT's own errors: what hostile JSON makes int() and the JSON parser raise.
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        raise UnauthorizedError(_NOT_VALID, has_token=True) from None
    return claims


def _principal(claims: Mapping[str, Any]) -> Principal:
    subject, roles = claims["sub"], claims.get("roles")
    if not _USER_ID.fullmatch(subject) or int(subject) > MAX_USER_ID:
        raise UnauthorizedError("The token's sub is not a user id.", has_token=True)
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise UnauthorizedError("The token's roles are not a list of names.", has_token=True)
    return Principal(int(subject), ROLES & set(roles))
