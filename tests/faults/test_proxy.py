"""The proxy fails as it says, and works again afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import urllib3

from tests.faults.proxy import Mode, Proxy

INSERT = b"INSERT INTO t FORMAT Native\n"


class Server(ThreadingHTTPServer):
    """Remembers the bodies that reached it."""

    daemon_threads = True
    bodies: list[bytes]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.bodies = []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    proxy = Proxy(f"http://default:secret@127.0.0.1:{server.server_port}/default")
    yield proxy
    proxy.close()


@pytest.fixture
def pool(proxy: Proxy) -> Iterator[urllib3.HTTPConnectionPool]:
    url = urllib3.util.parse_url(proxy.url)
    with urllib3.HTTPConnectionPool(str(url.host), url.port, retries=False, timeout=0.5) as pool:
        yield pool


def test_its_url_is_the_servers_but_for_the_port(proxy: Proxy) -> None:
    assert proxy.url.startswith("http://default:secret@127.0.0.1:")
    assert proxy.url.endswith("/default")


def test_it_passes_requests_and_replies(pool: urllib3.HTTPConnectionPool, server: Server) -> None:
    assert [pool.request("POST", "/", body).data for body in (b"1", b"2")] == [b"ok", b"ok"]
    assert server.bodies == [b"1", b"2"]


def test_refused_connections_reach_nobody(
    proxy: Proxy, pool: urllib3.HTTPConnectionPool, server: Server
) -> None:
    pool.request("POST", "/", b"1")
    proxy.become(Mode.REFUSES)
    with pytest.raises(urllib3.exceptions.HTTPError):
        pool.request("POST", "/", b"2")  # over the connection that was open
    with pytest.raises(urllib3.exceptions.NewConnectionError, match="refused"):
        pool.request("POST", "/", b"3")
    proxy.become(Mode.WORKS)
    assert pool.request("POST", "/", b"4").data == b"ok"
    assert server.bodies == [b"1", b"4"]


def test_hanging_connections_reach_nobody_and_stay(
    proxy: Proxy, pool: urllib3.HTTPConnectionPool, server: Server
) -> None:
    proxy.become(Mode.HANGS)
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        pool.request("POST", "/", b"1")
    assert server.bodies == []


def test_a_lost_reply_is_of_an_insert_that_was_carried_out(
    proxy: Proxy, pool: urllib3.HTTPConnectionPool, server: Server
) -> None:
    proxy.become(Mode.LOSES_REPLIES)
    body = INSERT + b"x" * 1_000_000
    for _ in range(2):
        with pytest.raises(urllib3.exceptions.ProtocolError):
            pool.request("POST", "/", body)
        assert pool.request("POST", "/", b"SELECT 1").data == b"ok"
    assert pool.request("POST", "/", body).data == b"ok"
    assert server.bodies == [body, b"SELECT 1", body, b"SELECT 1", body]
    assert proxy.lost_inserts == 2
