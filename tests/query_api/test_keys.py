"""JWK Sets: one algorithm for each key, and what is no key for tokens is left out."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448

from query_api.keys import MAX_KEYS, SharedKey, key_set
from tests.query_api.credentials import SECRET
from tests.query_api.issuers import private_key, public_jwk, rsa_key, secret_jwk

_ALL = ("RS256", "ES256", "EdDSA")
_RSA = rsa_key()


def _set(*jwks: Any) -> bytes:
    return json.dumps({"keys": list(jwks)}).encode()


@pytest.mark.parametrize("algorithm", _ALL)
def test_a_key_goes_with_one_algorithm(algorithm: str) -> None:
    jwk = public_jwk(private_key(algorithm), "k")
    for alg in (None, algorithm):
        found = key_set(_set(jwk if alg is None else jwk | {"alg": alg}), _ALL)
        assert {name: key.algorithm for name, key in found.items()} == {("k", algorithm): algorithm}
    with pytest.raises(ValueError, match="no key for"):
        key_set(_set(jwk), [other for other in _ALL if other != algorithm])


_PRIVATE = {**public_jwk(_RSA, "k"), "d": "AQAB"}
_LEFT_OUT: dict[str, Any] = {
    "a secret": secret_jwk(SECRET.encode(), "k"),
    "a private key": _PRIVATE,
    "no kid": public_jwk(_RSA, None),
    "an empty kid": public_jwk(_RSA, ""),
    "a kid that is a number": public_jwk(_RSA, "k") | {"kid": 7},
    "a long kid": public_jwk(_RSA, "k" * 257),
    "for encryption": public_jwk(_RSA, "k", use="enc"),
    "operations without verify": public_jwk(_RSA, "k", key_ops=["encrypt"]),
    "operations no list": public_jwk(_RSA, "k", key_ops="verify"),
    "another algorithm of RSA": public_jwk(_RSA, "k", alg="RS512"),
    "an algorithm with a secret": public_jwk(_RSA, "k", alg="HS256"),
    "algorithm none": public_jwk(_RSA, "k", alg="none"),
    "a weak key": public_jwk(rsa_key(1024), "k"),
    "another curve": public_jwk(ec.generate_private_key(ec.SECP384R1()), "k"),
    "Ed448": public_jwk(ed448.Ed448PrivateKey.generate(), "k"),
    "a point that is not on its curve": public_jwk(private_key("ES256"), "k", x="AQAB", y="AQAB"),
    "no modulus": public_jwk(_RSA, "k", n=None),
    "a modulus that is no text": public_jwk(_RSA, "k", n=7),
    "a type that is a list": public_jwk(_RSA, "k", kty=["RSA"]),
    "a curve that is an object": public_jwk(_RSA, "k", crv={}),
    "no object": "RSA",
}


@pytest.mark.parametrize("name", _LEFT_OUT)
def test_what_is_left_out(name: str) -> None:
    good = public_jwk(private_key("ES256"), "good")
    assert set(key_set(_set(_LEFT_OUT[name], good), _ALL)) == {("good", "ES256")}
    with pytest.raises(ValueError, match="has no key for ES256, EdDSA, RS256"):
        key_set(_set(_LEFT_OUT[name]), _ALL)


def test_of_two_keys_of_one_name_the_first_counts() -> None:
    first, second = (public_jwk(private_key("ES256"), "k") for _ in range(2))
    found = key_set(_set(first, second, public_jwk(_RSA, "k")), _ALL)
    assert set(found) == {("k", "ES256"), ("k", "RS256")}
    numbers = found["k", "ES256"].key.public_numbers()
    assert numbers == key_set(_set(first), _ALL)["k", "ES256"].key.public_numbers()


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b"[" * 100_000,
        b"<html>",
        b'{"keys": [1, null, [], "x"]}',
    ],
)
def test_what_is_no_key_set(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        key_set(document, _ALL)


def test_a_key_set_is_not_large() -> None:
    jwks = [public_jwk(_RSA, f"k{n}") for n in range(MAX_KEYS + 1)]
    assert len(key_set(_set(*jwks[1:]), _ALL)) == MAX_KEYS
    with pytest.raises(ValueError, match="more than 100 keys"):
        key_set(_set(*jwks), _ALL)


@pytest.mark.parametrize("algorithm", ["none", "HS512", "RS256", None, ["HS256"], {}])
def test_the_shared_key_is_for_hs256_alone(algorithm: Any) -> None:
    assert asyncio.run(SharedKey(SECRET).find({"alg": algorithm})) is None
    assert asyncio.run(SharedKey(SECRET).find({"alg": "HS256"})) is not None
