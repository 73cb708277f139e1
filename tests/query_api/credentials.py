"""Tokens for tests: a good one, and the parts to make it bad."""

from __future__ import annotations

import time
from typing import Any

import jwt

SECRET = "only-for-tests-" + "0123456789abcdef" * 4


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good token of user 42, changed; a claim that is None is left out."""
    now = int(time.time())
    good = {
        "sub": "42",
        "roles": ["user"],
        "iss": "sms-analytics",
        "aud": "sms-analytics-api",
        "iat": now,
        "exp": now + 600,
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(content: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    """A token with these claims."""
    return jwt.encode(content, secret, algorithm=algorithm)
