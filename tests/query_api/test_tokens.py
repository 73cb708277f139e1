"""Tokens: every one that cannot be trusted is a 401 with a problem document and a challenge."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi.testclient import TestClient

from query_api.errors import UnauthorizedError
from query_api.keys import Key, SharedKey
from query_api.settings import ApiSettings
from query_api.tokens import MAX_TOKEN_CHARACTERS, Principal, Tokens
from tests.query_api.credentials import SECRET, claims, signed

_PATH = "/api/v1/analytics/me/sms-analytics"
_KEY = rsa.generate_private_key(65537, 2048)
_PUBLIC_PEM = _KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def _part(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _by_hand(header: Any, content: Any, key: bytes = SECRET.encode()) -> str:
    """A token that no library would make, with a right HS256 signature by `key`."""
    body = f"{_part(header)}.{_part(content)}"
    mac = hmac.digest(key, body.encode(), hashlib.sha256)
    return f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


_HS256 = {"alg": "HS256", "typ": "JWT"}


def _bad_tokens() -> dict[str, str]:
    """Made when they are used: a token that has expired meanwhile is bad for that reason alone."""
    now, good = int(time.time()), signed(claims())
    head, body, mac = good.split(".")
    return {
        "not a token": "not-a-token",
        "empty parts": "..",
        "two parts": f"{head}.{body}",
        "four parts": f"{good}.{mac}",
        "not base64": f"{head}.{body}.*",
        "signature cut": good[:-2],
        "no signature": f"{head}.{body}.",
        "another key": signed(
            claims(), "another-key-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        ),
        "body changed": f"{head}.{_part(claims(sub='43'))}.{mac}",
        "alg none": f"{_part({'alg': 'none'})}.{body}.",
        "alg None": f"{_part({'alg': 'None'})}.{body}.",
        "alg missing": _by_hand({"typ": "JWT"}, claims()),
        "alg HS512": signed(claims(), algorithm="HS512"),
        "alg RS256": jwt.encode(claims(), _KEY, algorithm="RS256"),
        "RS256 header over an HMAC": _by_hand({"alg": "RS256"}, claims()),
        "HMAC with a public key": _by_hand(_HS256, claims(), _PUBLIC_PEM),
        "kid path": _by_hand({"alg": "HS256", "kid": "../../dev/null"}, claims(), b""),
        "kid SQL": _by_hand({"alg": "HS256", "kid": "x' UNION SELECT 'key"}, claims(), b"key"),
        "kid a list": _by_hand({"alg": "HS256", "kid": ["a"]}, claims()),
        "jku of the sender": _by_hand(
            {"alg": "HS256", "jku": "https://attacker.example/keys"}, claims(), b"attacker" * 4
        ),
        "x5u of the sender": _by_hand(
            {"alg": "HS256", "x5u": "https://attacker.example/key"}, claims(), b"attacker" * 4
        ),
        "crit not understood": _by_hand({"alg": "HS256", "crit": ["x"], "x": 1}, claims()),
        "alg a list": _by_hand({"alg": ["HS256"]}, claims()),
        "alg in small letters": _by_hand({"alg": "hs256"}, claims()),
        "alg empty": _by_hand({"alg": ""}, claims()),
        "jwk in header": jwt.encode(
            claims(),
            _KEY,
            algorithm="RS256",
            headers={"jwk": {"kty": "RSA", "n": "AQ", "e": "AQAB"}},
        ),
        "expired a second beyond the leeway": signed(claims(exp=now - 6)),
        "expired long ago": signed(claims(exp=1)),
        "not yet valid": signed(claims(nbf=now + 3600)),
        "issued in the future": signed(claims(iat=now + 3600, exp=now + 7200)),
        "no exp": signed(claims(exp=None)),
        "no iat": signed(claims(iat=None)),
        "no iss": _by_hand(_HS256, claims(iss=None)),
        "no aud": signed(claims(aud=None)),
        "no sub": signed(claims(sub=None)),
        "exp infinite": _by_hand(
            _HS256, json.dumps(claims(exp=0)).replace('"exp": 0', '"exp": 1e999')
        ),
        "exp not a number": _by_hand(_HS256, claims(exp="soon")),
        "exp a list": _by_hand(_HS256, claims(exp=[now])),
        "another issuer": signed(claims(iss="someone")),
        "another audience": signed(claims(aud="another-api")),
        "audience a prefix": signed(claims(aud="sms-analytics")),
        "claims a list": _by_hand(_HS256, ["sub", "42"]),
        "claims not JSON": _by_hand(_HS256, "{"),
        "claims nested 2,000 deep": _by_hand(_HS256, "[" * 2000),
        "header a list": _by_hand(["HS256"], claims()),
        "sub zero": signed(claims(sub="0")),
        "sub leading zero": signed(claims(sub="042")),
        "sub negative": signed(claims(sub="-1")),
        "sub with sign": signed(claims(sub="+42")),
        "sub a fraction": signed(claims(sub="42.0")),
        "sub with a newline": signed(claims(sub="42\n")),
        "sub in other digits": signed(claims(sub="४२")),
        "sub 2^53": signed(claims(sub=str(2**53))),
        "sub a number": _by_hand(_HS256, claims(sub=42)),
        "sub empty": signed(claims(sub="")),
        "roles missing": signed(claims(roles=None)),
        "roles a string": signed(claims(roles="admin")),
        "roles an object": signed(claims(roles={"admin": True})),
        "roles of numbers": signed(claims(roles=[1])),
        "oversized": signed(claims(padding="x" * 4096)),
    }


def test_there_are_at_least_25_bad_tokens_and_each_is_bad_in_its_own_way() -> None:
    tokens = _bad_tokens()
    assert len(set(tokens.values())) == len(tokens) >= 25


@pytest.mark.parametrize("name", _bad_tokens())
def test_a_bad_token_is_401(name: str, client: TestClient) -> None:
    token = _bad_tokens()[name]
    answer = client.get(_PATH, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith('Bearer realm="sms-analytics", error=')
    assert answer.json()["status"] == 401
    assert token not in answer.text


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Token {good}", "{good}"]
)
def test_no_token_is_401_without_an_error_code(header: str | None, client: TestClient) -> None:
    headers = {"Authorization": header.format(good=signed(claims()))} if header is not None else {}
    answer = client.get(_PATH, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="sms-analytics"'


def test_a_token_may_be_so_long(client: TestClient) -> None:
    longest = next(
        token
        for size in range(2800, 3100)
        if len(token := signed(claims(padding="x" * size))) == MAX_TOKEN_CHARACTERS
    )
    good = client.get(_PATH, headers={"Authorization": f"Bearer {longest}"})
    assert good.status_code == 503  # ClickHouse is not there: it was let through.
    answer = client.get(_PATH, headers={"Authorization": f"Bearer {longest}x"})
    assert answer.status_code == 401
    assert answer.json()["detail"] == "The token is longer than 4096 characters."


def test_two_authorization_headers_are_401(client: TestClient) -> None:
    header = ("Authorization", f"Bearer {signed(claims())}")
    assert client.get(_PATH, headers=[header, header]).status_code == 401


def test_a_token_elsewhere_is_no_token(client: TestClient) -> None:
    good = signed(claims())
    client.cookies.set("token", good)
    assert client.get(_PATH, params={"access_token": good}).status_code == 401


def _principal(token: str, settings: ApiSettings) -> Principal:
    return asyncio.run(Tokens(settings, SharedKey(SECRET)).principal_of([f"bearer {token}"]))


@pytest.mark.parametrize(
    ("changes", "principal"),
    [
        ({}, Principal(42, frozenset({"user"}))),
        ({"sub": str(2**53 - 1)}, Principal(2**53 - 1, frozenset({"user"}))),
        ({"roles": ["admin", "user"]}, Principal(42, frozenset({"user", "admin"}))),
        ({"roles": ["billing", "user"]}, Principal(42, frozenset({"user"}))),
        ({"roles": []}, Principal(42, frozenset())),
        ({"aud": ["other", "sms-analytics-api"]}, Principal(42, frozenset({"user"}))),
    ],
)
def test_a_good_token(changes: dict[str, Any], principal: Principal, settings: ApiSettings) -> None:
    assert _principal(signed(claims(**changes)), settings) == principal


def test_a_token_that_expired_within_the_leeway(settings: ApiSettings) -> None:
    lenient = settings.model_copy(update={"jwt_leeway_s": 300})
    token = signed(claims(exp=int(time.time()) - 1))
    assert _principal(token, lenient).user_id == 42


def test_an_expired_token_says_so(settings: ApiSettings) -> None:
    with pytest.raises(UnauthorizedError, match="has expired"):
        _principal(signed(claims(exp=1)), settings)


def test_a_good_token_is_judged_again_once_it_has_expired_or_its_key_has_gone(
    settings: ApiSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    decode = jwt.decode
    monkeypatch.setattr(jwt, "decode", lambda *a, **b: decoded.append(1) or decode(*a, **b))
    keys = SharedKey(SECRET)
    tokens = Tokens(settings, keys)
    token = signed(claims(exp=int(time.time()) + 2 - settings.jwt_leeway_s))

    async def ask() -> int:
        return (await tokens.principal_of([f"Bearer {token}"])).user_id

    assert [asyncio.run(ask()) for _ in range(3)] == [42, 42, 42]
    assert len(decoded) == 1
    keys._key = Key("another-" + SECRET, "HS256")
    with pytest.raises(UnauthorizedError, match="not valid"):
        asyncio.run(ask())
    keys._key = Key(SECRET, "HS256")
    assert asyncio.run(ask()) == 42
    assert len(decoded) == 3
    time.sleep(2.1)
    with pytest.raises(UnauthorizedError, match="has expired"):
        asyncio.run(ask())
    assert len(decoded) == 4


def test_a_bad_token_is_never_remembered(settings: ApiSettings) -> None:
    tokens = Tokens(settings, SharedKey(SECRET))
    token = signed(claims(), SECRET[:-1] + "0")
    for _ in range(2):
        with pytest.raises(UnauthorizedError, match="not valid"):
            asyncio.run(tokens.principal_of([f"Bearer {token}"]))
