"""HTTP/1.1 as ClickHouse speaks it, on one connection: long URLs, chunked bodies both ways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

_MAX_LINE_BYTES = 1 << 20
"""ClickHouse's `http_max_uri_size`."""
MAX_BODY_BYTES = 512 << 20


class BodyTooLargeError(ValueError):
    """The body is longer than `MAX_BODY_BYTES`; what is left of it was not read."""


class HttpConnection(BaseHTTPRequestHandler):
    """Reads requests off one connection, kept alive, and hands each to `answer`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self) -> None:
        """Read the body with `body` and answer with `send` or `send_chunks`."""
        raise NotImplementedError

    def handle_one_request(self) -> None:
        """As in the base class, but for URLs as long as ClickHouse takes them."""
        self.raw_requestline = self.rfile.readline(_MAX_LINE_BYTES + 1)
        if not self.raw_requestline:
            self.close_connection = True
        elif len(self.raw_requestline) > _MAX_LINE_BYTES:
            self.requestline, self.request_version, self.command = "", "HTTP/1.1", "POST"
            self.close_connection = True
            self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
        elif self.parse_request():
            self.answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: they may be thousands a second."""

    def body(self) -> bytes:
        """The request's whole body as it was sent. Raises ValueError where it is no valid HTTP,
        and ConnectionError where the client left in the middle of it."""
        try:
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                return self._chunked_body()
            return self._read(int(self.headers.get("Content-Length") or 0))
        except ValueError:
            # Where the next request begins is not known any more.
            self.close_connection = True
            raise

    def send(
        self, status: HTTPStatus, headers: Mapping[str, str], data: bytes | memoryview
    ) -> None:
        """Send a whole answer with its length."""
        self._head(status, {**headers, "Content-Length": str(len(data))})
        if data and self.command != "HEAD":
            self.wfile.write(data)

    def send_chunks(
        self, status: HTTPStatus, headers: Mapping[str, str], parts: Iterable[bytes | memoryview]
    ) -> None:
        """Send an answer part by part. If `parts` raises, the answer is left without its end, so
        that the client cannot take it for whole."""
        self._head(status, {**headers, "Transfer-Encoding": "chunked"})
        try:
            for part in parts:
                if len(part):
                    self.wfile.write(b"%x\r\n" % len(part))
                    self.wfile.write(part)
                    self.wfile.write(b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        except BaseException:
            self.close_connection = True
            raise

    def _head(self, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _chunked_body(self) -> bytes:
        parts: list[bytes] = []
        total = 0
        while size := int(self.rfile.readline(1024).split(b";")[0], 16):
            total += size
            if total > MAX_BODY_BYTES:
                raise BodyTooLargeError("the request's body is too large")
            parts.append(self._read(size))
            self.rfile.readline(16)
        while self.rfile.readline(_MAX_LINE_BYTES).strip():
            pass  # trailers
        return b"".join(parts)

    def _read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_BODY_BYTES:
            raise BodyTooLargeError("the request's body is too large")
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionAbortedError("the client left while it sent a body")
        return data
