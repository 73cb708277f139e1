"""A TCP link to ClickHouse that can be cut, mended and stalled."""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit, urlunsplit


class Link:
    """Forwards connections to the host of `url`; `Link.url` leads through it.

    Cut: connections are refused and the open ones closed. Stalled: what comes is taken and never
    answered.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        self._upstream = (parts.hostname, parts.port or 8123)
        self._open: list[socket.socket] = []
        self._is_stalled = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]
        login = parts.netloc.rpartition("@")[0]
        host = f"{login}@127.0.0.1:{self._port}" if login else f"127.0.0.1:{self._port}"
        self.url = urlunsplit(parts._replace(netloc=host))
        self._serve()

    def _serve(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(self._upstream)
            except OSError:
                return
            self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while chunk := source.recv(65536):
                if not self._is_stalled:
                    sink.sendall(chunk)
        except OSError:
            pass
        for end in (source, sink):
            end.close()

    def stall(self) -> None:
        """Take everything and pass on nothing from now on."""
        self._is_stalled = True

    def cut(self) -> None:
        """Refuse and close every connection."""
        if self._listener.fileno() >= 0:
            # shutdown wakes the thread that waits in accept(); close alone does not.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for end in self._open:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._open.clear()

    def mend(self) -> None:
        """Undo `cut`."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._serve()
