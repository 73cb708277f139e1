"""A TCP proxy on this machine that can refuse connections and fall silent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Proxy:
    """Forwards connections to `host:port`; open at first."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._flowing = threading.Event()
        self._refusing = False
        self._sockets: set[socket.socket] = set()
        self.open()
        threading.Thread(target=self._accept, daemon=True).start()

    def open(self) -> None:
        """Forward everything, also what was held back."""
        self._refusing = False
        self._flowing.set()

    def refuse(self) -> None:
        """Break every connection, now and as it is made."""
        self._refusing = True
        self._flowing.set()
        for each in list(self._sockets):
            _close(each)

    def hang(self) -> None:
        """Take connections and bytes and forward nothing."""
        self._refusing = False
        self._flowing.clear()

    def close(self) -> None:
        """End it, with all of its connections."""
        self.refuse()
        _close(self._listener)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                if self._refusing:
                    client.close()
                    continue
                server = socket.create_connection(self._target)
                self._sockets |= {client, server}
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):  # broken on purpose, or by an end
            while data := source.recv(65536):
                self._flowing.wait()
                sink.sendall(data)
        for each in (source, sink):
            _close(each)
            self._sockets.discard(each)


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def proxy(host: str, port: int) -> Iterator[Proxy]:
    """A proxy that is ended at the end."""
    made = Proxy(host, port)
    try:
        yield made
    finally:
        made.close()
