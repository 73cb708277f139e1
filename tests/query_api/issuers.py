"""An issuer of tokens for tests: keys, and a real HTTP server that publishes them."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

_RSA_KEYS: dict[int, rsa.RSAPrivateKey] = {}


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """One key of each length in a run: they take a while to make."""
    if bits not in _RSA_KEYS:
        _RSA_KEYS[bits] = rsa.generate_private_key(65537, bits)
    return _RSA_KEYS[bits]


def private_key(algorithm: str) -> Any:
    """A new key for an algorithm (RS256's is always the same)."""
    if algorithm == "RS256":
        return rsa_key()
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def public_jwk(key: Any, kid: str | None, **changes: Any) -> dict[str, Any]:
    """The public part of a key as a JWK; a member that is None is left out."""
    if isinstance(key, rsa.RSAPrivateKey):
        made = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        made = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        made = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    made = {name: value for name, value in made.items() if name != "key_ops"}
    jwk = made | {"kid": kid, "use": "sig"} | changes
    return {name: value for name, value in jwk.items() if value is not None}


def secret_jwk(secret: bytes, kid: str) -> dict[str, Any]:
    """A shared secret as a JWK, which no issuer should publish."""
    text = base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
    return {"kty": "oct", "k": text, "kid": kid, "alg": "HS256"}


def signed_by(key: Any, algorithm: str, kid: str | None, content: Any, **header: Any) -> str:
    """A token of an issuer's key."""
    headers = header | ({"kid": kid} if kid is not None else {})
    return jwt.encode(content, key, algorithm=algorithm, headers=headers)


class IssuerServer:
    """Publishes `keys` at `url`; can fail, hang, drip, send too much, redirect."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.body: bytes | None = None
        self.status = 200
        self.hang_s = 0.0
        self.drip_s = 0.0
        self.location = ""
        self.requests: list[str] = []
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.requests.append(self.path)
                issuer._answer(self)

            def log_message(self, *_: Any) -> None:
                """No lines on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/keys"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = self.body if self.body is not None else json.dumps({"keys": self.keys}).encode()
        time.sleep(self.hang_s)
        try:
            handler.send_response(self.status)
            if self.location:
                handler.send_header("Location", self.location)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            for byte in (body[n : n + 1] for n in range(len(body))) if self.drip_s else (body,):
                handler.wfile.write(byte)
                handler.wfile.flush()
                time.sleep(self.drip_s)
        except OSError:
            # The API had enough.
            handler.close_connection = True

    def close(self) -> None:
        """Refuse connections from now on."""
        self._server.shutdown()
        self._server.server_close()
