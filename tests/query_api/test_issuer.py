"""Tokens of an issuer that publishes its keys by HTTP: trusted, rotated, away, hostile."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from fastapi.testclient import TestClient
from httpx import Response

from query_api import fetching, issuer
from query_api.app import create_app
from query_api.fetching import FetchError, fetch
from query_api.settings import ApiSettings
from tests.query_api.conftest import NOBODY
from tests.query_api.credentials import SECRET, claims, signed
from tests.query_api.issuers import IssuerServer, private_key, public_jwk, rsa_key, signed_by

_PATH = "/api/v1/analytics/me/sms-analytics"
_TRUSTED = 503
"""ClickHouse is not there: whoever is let through gets this."""
_ALL = ("RS256", "ES256", "EdDSA")
_RSA = rsa_key()
_PUBLIC = _RSA.public_key()


@pytest.fixture
def server() -> Iterator[IssuerServer]:
    server = IssuerServer()
    server.keys = [public_jwk(_RSA, "first")]
    yield server
    server.close()


@pytest.fixture
def start(server: IssuerServer) -> Iterator[Callable[..., TestClient]]:
    clients: list[TestClient] = []

    def start(**changes: Any) -> TestClient:
        settings = ApiSettings(
            jwt_jwks_url=server.url, clickhouse_url=NOBODY, connect_timeout_s=1, **changes
        )
        client = TestClient(create_app(settings), raise_server_exceptions=False)
        client.__enter__()
        clients.append(client)
        return client

    yield start
    for client in clients:
        client.__exit__(None, None, None)


def _ask(client: TestClient, token: str) -> Response:
    return client.get(_PATH, headers={"Authorization": f"Bearer {token}"})


def _good(kid: str = "first", key: Any = _RSA, algorithm: str = "RS256", **changes: Any) -> str:
    return signed_by(key, algorithm, kid, claims(**changes))


def _check(client: TestClient) -> dict[str, str]:
    checks: list[dict[str, str]] = client.get("/readyz").json()["checks"]
    (check,) = [check for check in checks if check["name"] == "tokens"]
    return check


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("algorithm", _ALL)
def test_each_algorithm(
    algorithm: str, server: IssuerServer, start: Callable[..., TestClient]
) -> None:
    key = private_key(algorithm)
    server.keys = [public_jwk(key, "k")]
    client = start()
    assert _ask(client, _good("k", key, algorithm)).status_code == _TRUSTED
    assert _ask(client, _good("k", private_key("EdDSA"), "EdDSA")).status_code == 401


def _part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _mac(header: dict[str, Any], key: bytes) -> str:
    body = f"{_part(header)}.{_part(claims())}"
    return f"{body}.{_part(hmac.digest(key, body.encode(), hashlib.sha256))}"


_PEM = _PUBLIC.public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
_DER = _PUBLIC.public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)


def _bad_tokens(attacker: str) -> dict[str, str]:
    now = int(time.time())
    good = _good()
    head, body, mac = good.split(".")
    mine = private_key("ES256")
    own = public_jwk(mine, "first")
    return {
        "the shared key of another deployment": signed(claims()),
        "HS256 with the public key as PEM": _mac({"alg": "HS256", "kid": "first"}, _PEM),
        "HS256 with the public key as DER": _mac({"alg": "HS256", "kid": "first"}, _DER),
        "HS256 with the modulus": _mac(
            {"alg": "HS256", "kid": "first"}, public_jwk(_RSA, "first")["n"].encode()
        ),
        "RS256 over an HMAC": _mac({"alg": "RS256", "kid": "first"}, _PEM),
        "alg none": f"{_part({'alg': 'none', 'kid': 'first'})}.{body}.",
        "another algorithm of the key": _good(algorithm="RS512"),
        "PS256 of the key": _good(algorithm="PS256"),
        "a key of another type under the name": _good("first", mine, "ES256"),
        "no kid": signed_by(_RSA, "RS256", None, claims()),
        "unknown kid": _good("second"),
        "empty kid": _good(""),
        "kid a path": _good("../../../dev/null"),
        "kid an address": _good(f"{attacker}/first"),
        "kid with another case": _good("First"),
        "kid a number": f"{_part({'alg': 'RS256', 'kid': 1})}.{body}.{mac}",
        "kid a list": f"{_part({'alg': 'RS256', 'kid': ['first']})}.{body}.{mac}",
        "alg a list": f"{_part({'alg': ['RS256'], 'kid': 'first'})}.{body}.{mac}",
        "jku of the sender": signed_by(mine, "ES256", "first", claims(), jku=f"{attacker}/keys"),
        "x5u of the sender": signed_by(mine, "ES256", "first", claims(), x5u=f"{attacker}/keys"),
        "jwk of the sender": signed_by(mine, "ES256", "first", claims(), jwk=own),
        "x5c of the sender": signed_by(mine, "ES256", "first", claims(), x5c=["MIIB"]),
        "the sender's RSA key": _good(key=rsa_key(3072)),
        "crit not understood": signed_by(_RSA, "RS256", "first", claims(), crit=["b"], b=1),
        "body changed": f"{head}.{_part(claims(sub='43'))}.{mac}",
        "signature cut": good[:-4],
        "expired a second beyond the leeway": _good(exp=now - 6),
        "issued in the future": _good(iat=now + 3600, exp=now + 7200),
        "not yet valid": _good(nbf=now + 3600),
        "no exp": _good(exp=None),
        "another issuer": _good(iss="someone"),
        "another audience": _good(aud="another-api"),
        "oversized": _good(padding="x" * 4096),
    }


@pytest.fixture(scope="module")
def attacker() -> Iterator[IssuerServer]:
    server = IssuerServer()
    server.keys = [public_jwk(private_key("ES256"), "first")]
    yield server
    server.close()


@pytest.fixture(scope="module")
def trusting() -> Iterator[TestClient]:
    server = IssuerServer()
    server.keys = [public_jwk(_RSA, "first")]
    settings = ApiSettings(
        jwt_jwks_url=server.url,
        clickhouse_url=NOBODY,
        connect_timeout_s=1,
        address_failures_per_minute=0,
    )
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        assert _ask(client, _good()).status_code == _TRUSTED
        yield client
    server.close()


@pytest.mark.parametrize("name", _bad_tokens(""))
def test_a_bad_token_is_401(name: str, trusting: TestClient, attacker: IssuerServer) -> None:
    answer = _ask(trusting, _bad_tokens(attacker.url)[name])
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith('Bearer realm="sms-analytics", error=')
    assert attacker.requests == []


def test_the_bad_tokens_are_many_and_different() -> None:
    tokens = _bad_tokens("")
    assert len(set(tokens.values())) == len(tokens) >= 25


def test_a_new_key_is_trusted_at_once_and_the_old_one_no_more(
    server: IssuerServer, start: Callable[..., TestClient]
) -> None:
    client = start()
    assert _ask(client, _good()).status_code == _TRUSTED
    new = private_key("ES256")
    server.keys = [public_jwk(new, "second")]
    assert _ask(client, _good("second", new, "ES256")).status_code == _TRUSTED
    assert _ask(client, _good()).status_code == 401
    assert len(server.requests) == 2


def test_a_flood_of_unknown_kids_is_one_refresh(
    server: IssuerServer, start: Callable[..., TestClient]
) -> None:
    client = start(address_failures_per_minute=0)
    assert _ask(client, _good()).status_code == _TRUSTED
    began = time.monotonic()
    for number in range(50):
        assert _ask(client, _good(f"unknown-{number}")).status_code == 401
    assert time.monotonic() - began < issuer.UNKNOWN_PAUSE_S
    assert len(server.requests) == 2
    assert _ask(client, _good()).status_code == _TRUSTED


def test_keys_are_kept_while_the_issuer_is_away(
    server: IssuerServer, start: Callable[..., TestClient]
) -> None:
    client = start(jwt_jwks_refresh_s=1)
    assert _ask(client, _good()).status_code == _TRUSTED
    assert _check(client)["status"] == "ok"
    assert _check(client)["detail"].startswith("1 keys, read ")
    for broken in ({"status": 500}, {"body": b"<html>"}, {"body": b'{"keys": []}'}):
        for name, value in ({"status": 200, "body": None} | broken).items():
            setattr(server, name, value)
        _wait(lambda: _check(client)["status"] == "degraded")
        assert "are kept: " in _check(client)["detail"]
        assert _ask(client, _good()).status_code == _TRUSTED
    text = client.get("/metrics").text
    assert 'sms_api_jwks_refreshes_total{result="failed"}' in text
    assert "sms_api_jwks_keys 1.0" in text
    server.status, server.body = 200, None
    _wait(lambda: _check(client)["status"] == "ok")


def test_without_any_key_it_is_503_and_not_ready_until_the_issuer_comes(
    server: IssuerServer, start: Callable[..., TestClient]
) -> None:
    server.status = 503
    client = start()
    answer = _ask(client, _good())
    assert answer.status_code == 503
    assert answer.json()["detail"] == "The keys of tokens cannot be read at the moment."
    assert _check(client)["status"] == "failed"
    assert "status 503 instead of 200" in _check(client)["detail"]
    server.status = 200
    _wait(lambda: _check(client)["status"] == "ok")
    assert _ask(client, _good()).json()["detail"] == "The database cannot be reached."


def test_a_slow_issuer_holds_up_nobody_but_tokens_by_unknown_keys(
    server: IssuerServer, start: Callable[..., TestClient]
) -> None:
    client = start()
    assert _ask(client, _good()).status_code == _TRUSTED
    server.hang_s = 5
    began = time.monotonic()
    assert _ask(client, _good("unknown")).status_code == 401
    assert issuer.PATIENCE_S - 0.1 < time.monotonic() - began < issuer.PATIENCE_S + 1
    began = time.monotonic()
    assert client.get("/healthz").status_code == 200
    assert _ask(client, _good()).status_code == _TRUSTED
    assert time.monotonic() - began < 0.5


def test_the_event_loop_goes_on_while_keys_are_fetched(server: IssuerServer) -> None:
    from query_api.metrics import Metrics

    async def story() -> float:
        keys = issuer.Issuer(server.url, _ALL, 300, Metrics(), time.time)
        server.hang_s = 1
        finding = asyncio.create_task(keys.find({"kid": "first", "alg": "RS256"}))
        longest, last = 0.0, time.monotonic()
        while not finding.done():
            await asyncio.sleep(0.01)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        assert finding.result() is not None
        keys.close()
        return longest

    assert asyncio.run(story()) < 0.5


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"body": b"x" * (fetching.MAX_BYTES + 1)}, "more than 262144 bytes"),
        ({"status": 302, "location": "/other"}, "status 302 instead of 200"),
        ({"status": 404}, "status 404 instead of 200"),
        ({"body": b"x" * 2000, "drip_s": 0.05}, "not complete within 1 s"),
    ],
)
def test_what_is_fetched_has_limits(
    changes: dict[str, Any], fault: str, server: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "DEADLINE_S", 1.0)
    for name, value in changes.items():
        setattr(server, name, value)
    began = time.monotonic()
    with pytest.raises(FetchError, match=fault):
        fetch(server.url)
    assert time.monotonic() - began < 3
    assert server.requests == ["/keys"]


def test_what_was_fetched_is_what_was_sent(server: IssuerServer) -> None:
    server.body = b"x" * fetching.MAX_BYTES
    assert fetch(server.url) == server.body


def test_cursors_need_no_shared_secret(
    server: IssuerServer, start: Callable[..., TestClient]
) -> None:
    client = start()
    _ask(client, _good())
    answer = client.get(
        "/api/v1/analytics/me/messages?cursor=abc",
        headers={"Authorization": f"Bearer {_good()}"},
    )
    assert answer.status_code == 422
    assert SECRET not in answer.text
