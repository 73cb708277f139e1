"""A TCP proxy before ClickHouse that fails the way networks and servers do."""

from __future__ import annotations

import enum
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit


class Mode(enum.Enum):
    """What becomes of a connection that is made now."""

    WORKS = "works"
    REFUSES = "refuses"
    HANGS = "hangs"
    """Accepted and never read nor answered; the client has to give up by itself."""
    LOSES_REPLIES = "loses replies"
    """INSERTs reach the server, which carries them out, and two of three replies are thrown away
    with the connection; other requests work."""


class Proxy:
    """Passes connections on to the host of an HTTP URL; `url` leads through it.

    `lost_inserts` counts INSERTs that the server acknowledged and the client never heard of.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        self._upstream = (parts.hostname, parts.port or 8123)
        self._lock = threading.Lock()
        self._mode = Mode.WORKS
        self._open: list[socket.socket] = []
        self._closed = threading.Event()
        self.lost_inserts = 0
        self._inserts = 0
        # Bound and not listening: nobody else gets the port while connections are refused.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self._port: int = self._reserved.getsockname()[1]
        self._listen()
        login, at, _ = parts.netloc.rpartition("@")
        self.url = urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{self._port}"))

    def become(self, mode: Mode) -> None:
        """Behave like this from now on. Connections that were of use are closed; those that hang
        are left to hang."""
        with self._lock:
            was, self._mode = self._mode, mode
            for end in self._open:
                _shut(end)
            self._open.clear()
        if mode is Mode.REFUSES and was is not Mode.REFUSES:
            _shut(self._listener)  # wakes the thread in accept()
            self._thread.join()
        elif was is Mode.REFUSES and mode is not Mode.REFUSES:
            self._listen()

    def close(self) -> None:
        """Refuse and end everything."""
        self.become(Mode.REFUSES)
        self._reserved.close()
        self._closed.set()

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port), reuse_port=True)
        self._thread = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError), listener:
            while True:
                near, _ = listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near:
            if self._mode is Mode.HANGS:
                self._closed.wait()
                return
            with suppress(OSError), socket.create_connection(self._upstream) as far:
                self._forward(near, far)

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        with self._lock:
            mode = self._mode
            self._open += (near, far)
        if mode in (Mode.WORKS, Mode.LOSES_REPLIES):
            _Connection(near, far, self._loses if mode is Mode.LOSES_REPLIES else _keeps).run()

    def _loses(self, reply: bytes) -> bool:
        """Whether this beginning of a reply to an INSERT is thrown away."""
        self._inserts += 1
        is_lost = self._inserts % 3 != 0
        if is_lost and reply.startswith(b"HTTP/1.1 200"):
            self.lost_inserts += 1
        return is_lost


class _Connection:
    """One connection to the server: requests one way, replies the other."""

    def __init__(
        self, near: socket.socket, far: socket.socket, loses: Callable[[bytes], bool]
    ) -> None:
        self._near = near
        self._far = far
        self._loses = loses
        self._is_insert = False

    def run(self) -> None:
        """Forward until one end closes."""
        replies = threading.Thread(target=self._replies, daemon=True)
        replies.start()
        self._requests()
        replies.join()

    def _requests(self) -> None:
        with suppress(OSError):
            while piece := self._near.recv(65536):
                self._is_insert |= b"INSERT INTO" in piece
                self._far.sendall(piece)
        self._shut()

    def _replies(self) -> None:
        with suppress(OSError):
            while piece := self._far.recv(65536):
                if self._is_insert and self._loses(piece):
                    break
                self._is_insert = False
                self._near.sendall(piece)
        self._shut()

    def _shut(self) -> None:
        _shut(self._near)
        _shut(self._far)


def _keeps(_: bytes) -> bool:
    return False


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
