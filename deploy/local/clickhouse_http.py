"""ClickHouse's HTTP interface over `clickhouse_engine`: authentication, statements, answers.

An answer comes whole, with its length and summary, or block by block where the client does not
wait for its end and the format allows it. An error after the first block breaks the connection.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
import sys
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from email.message import Message
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from deploy.local import clickhouse_request, compression
from deploy.local.clickhouse_engine import Engine
from deploy.local.clickhouse_errors import (
    AUTHENTICATION_FAILED,
    BAD_ARGUMENTS,
    TOO_LARGE,
    ClickHouseError,
    named,
)
from deploy.local.clickhouse_leavers import Leavers
from deploy.local.clickhouse_request import Request
from deploy.local.clickhouse_run import Answer, can_stream
from deploy.local.clickhouse_session import Running
from deploy.local.http_connection import BodyTooLargeError, HttpConnection

_log = logging.getLogger(__name__)


class Server(ThreadingHTTPServer):
    """The listening socket, and what its connections share. An empty password lets anyone in."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], engine: Engine, password: str) -> None:
        super().__init__(address, _Connection)
        self.engine = engine
        self.password = password
        self.leavers = Leavers(engine.cancel)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log in one line what broke a connection; a client that went away is no defect."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            _log.error("connection from %s broke: %r", client_address, error)


class _Connection(HttpConnection):
    server: Server
    server_version = "ClickHouse-over-chDB"
    arguments: dict[str, str]

    def answer(self) -> None:
        try:
            request = self._request()
            if request is None:
                self.send(HTTPStatus.OK, {"Content-Type": "text/html; charset=UTF-8"}, b"Ok.\n")
            else:
                self._execute(request)
        except ClickHouseError as error:
            if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                _log.warning("%s", error.message.partition("\n")[0])
            headers = {"X-ClickHouse-Exception-Code": str(error.code)}
            self.send(error.status, headers, error.message.encode() + b"\n")

    def _request(self) -> Request | None:
        """What is asked for; None for the probes `/ping` and a bare `/`."""
        url = urlsplit(self.path)
        self.arguments = clickhouse_request.arguments(url.query)
        try:
            body = self.body()
            if url.path == "/ping" or not (self.arguments or body):
                return None
            if not _is_authentic(self.server.password, self.arguments, self.headers):
                raise named(AUTHENTICATION_FAILED, "Authentication failed: password is incorrect.")
            body = compression.decode(body, self.headers.get("Content-Encoding", ""))
            return clickhouse_request.read(self.arguments, self.headers, body)
        except BodyTooLargeError as error:
            raise named(TOO_LARGE, f"{error}.") from None
        except ValueError as error:
            raise named(BAD_ARGUMENTS, f"{error}.") from None

    def _execute(self, request: Request) -> None:
        running = Running(self.arguments.get("query_id", ""))
        statement, engine = request.statement, self.server.engine
        if query_id := clickhouse_request.killed(statement):
            self.server.leavers.end(query_id)
            self._send(Answer(b"", "TabSeparated", {}))
        elif not statement.is_select:
            self._send(engine.run(request, running))
        else:
            with self.server.leavers.watch(self.connection, running):
                if can_stream(statement) and not request.buffered:
                    self._stream(engine.stream(request, running), statement.format)
                    return
                answer = engine.run(request, running)
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        coding = self._coding()
        encoder = compression.encoder(coding)
        data = encoder.compress(answer.data) + encoder.flush() if coding else answer.data
        summary = json.dumps({name: str(value) for name, value in answer.summary.items()})
        headers = self._headers(answer.format, coding) | {"X-ClickHouse-Summary": summary}
        self.send(HTTPStatus.OK, headers, data)

    def _stream(self, blocks: Generator[bytes | memoryview], format: str) -> None:
        with closing(blocks):
            first = next(blocks)  # an error up to here still gets its status
            coding = self._coding()
            parts = _encoded(first, blocks, compression.encoder(coding))
            try:
                self.send_chunks(HTTPStatus.OK, self._headers(format, coding), parts)
            except ClickHouseError as error:
                _log.warning("an answer broke off: %s", error.message.partition("\n")[0])

    def _coding(self) -> str:
        if self.arguments.get("enable_http_compression", "0") in ("", "0"):
            return ""
        return compression.negotiate(self.headers.get("Accept-Encoding", ""))

    def _headers(self, format: str, coding: str) -> dict[str, str]:
        headers = {
            "X-ClickHouse-Format": format,
            "X-ClickHouse-Timezone": self.server.engine.timezone,
            "X-ClickHouse-Query-Id": self.arguments.get("query_id") or str(uuid.uuid4()),
        }
        return headers | ({"Content-Encoding": coding} if coding else {})


def _encoded(
    first: bytes | memoryview, rest: Iterable[bytes | memoryview], encoder: compression.Encoder
) -> Iterator[bytes | memoryview]:
    yield encoder.compress(first)
    for block in rest:
        yield encoder.compress(block)
    yield encoder.flush()


def _is_authentic(password: str, arguments: Mapping[str, str], headers: Message) -> bool:
    """Whether one of the three ways to give ClickHouse a password gives this one."""
    if not password:
        return True
    given = [arguments.get("password"), headers.get("X-ClickHouse-Key")]
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        with suppress(binascii.Error):
            decoded = base64.b64decode(credentials).decode("utf-8", "replace")
            given.append(decoded.partition(":")[2])
    return any(
        hmac.compare_digest(text.encode(), password.encode()) for text in given if text is not None
    )
