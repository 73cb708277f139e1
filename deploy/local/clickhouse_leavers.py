"""Cancels queries: those whose client has gone, as `cancel_http_readonly_queries_on_client_close`
has a ClickHouse server do, and those that KILL QUERY names by their id, which chDB's does not know.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deploy.local.clickhouse_session import Running

_PERIOD_S = 0.1


class Leavers:
    """Looks at the sockets of the queries that run, ten times a second while there are any."""

    def __init__(self, cancel: Callable[[Running], None]) -> None:
        self._cancel = cancel
        self._watched: dict[Running, socket.socket] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._look, name="leavers", daemon=True).start()

    @contextmanager
    def watch(self, client: socket.socket, running: Running) -> Iterator[None]:
        """Inside the block the query is cancelled when its client closes the connection."""
        with self._changed:
            self._watched[running] = client
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._watched.pop(running, None)

    def end(self, query_id: str) -> None:
        """Cancel the queries of this id."""
        with self._changed:
            found = [running for running in self._watched if running.query_id == query_id]
        for running in found:
            self._cancel(running)

    def _look(self) -> None:
        waiting = threading.Event()
        while True:
            waiting.wait(_PERIOD_S)
            with self._changed:
                self._changed.wait_for(lambda: self._watched)
                gone = [running for running, client in self._watched.items() if _left(client)]
                for running in gone:
                    del self._watched[running]
            for running in gone:
                self._cancel(running)


def _left(client: socket.socket) -> bool:
    """Whether the other end has closed: then there is an end of file to read."""
    try:
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
