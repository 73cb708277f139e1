"""Development tokens: what the API accepts with the key of a data directory."""

from __future__ import annotations

import jwt

from deploy.data_dir import DataDirectory
from deploy.errors import Unusable, sentences
from query_api.keys import SHARED_ALGORITHM
from query_api.settings import ApiSettings
from schemas.settings import Settings


def refuse_production() -> None:
    """Raise Unusable in production: keys that lie in a data directory have no place there."""
    with sentences():
        env = Settings().env
    if env == "production":
        raise Unusable(
            "SMS_ENV=production: `up` and `token` use development keys and are refused there."
        )


def development_token(
    directory: DataDirectory, user_id: int, roles: list[str], *, issued_at: int, expires_in_s: int
) -> str:
    """A signed JWT for a user; `issued_at` in seconds since the epoch. Raises Unusable in
    production."""
    refuse_production()
    settings = ApiSettings(jwt_secret=directory.jwt_secret(), jwt_jwks_url=None)
    claims = {
        "sub": str(user_id),
        "roles": roles,
        "iat": issued_at,
        "exp": issued_at + expires_in_s,
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
    }
    return jwt.encode(claims, directory.jwt_secret(), algorithm=SHARED_ALGORITHM)
