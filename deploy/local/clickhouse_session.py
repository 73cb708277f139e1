"""Connections to the engine: what state each is in, a pool of them, and what runs on one now."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from chdb.state.sqlitelike import Connection

from deploy.local.clickhouse_errors import TOO_MANY_QUERIES, from_engine, named

_WAIT_S = 60.0


class Running:
    """A query that may be running; knows the tag by which KILL QUERY finds it while it is."""

    def __init__(self, query_id: str = "") -> None:
        self.query_id = query_id
        self._tag: str | None = None
        self._changing = threading.Lock()

    @contextmanager
    def on(self, tag: str) -> Iterator[None]:
        """It runs under this tag inside the block, and not a moment longer."""
        self._tag = tag
        try:
            yield
        finally:
            with self._changing:
                self._tag = None

    @contextmanager
    def held(self) -> Iterator[str | None]:
        """Its tag, or None when it does not run; it cannot give the tag to another meanwhile."""
        with self._changing:
            yield self._tag


class Session:
    """One connection with the database and the settings that the last query left it in.

    `tag` stands in its `log_comment` setting, by which KILL QUERY finds what runs on it.
    """

    def __init__(self, url: str, tag: str, base: Mapping[str, str]) -> None:
        self.tag = tag
        self.connection = Connection(url)
        self._url = url
        self._base = {**base, "log_comment": tag}
        self._settings: dict[str, str] = {}
        self._database = "default"

    def configure(self, database: str, settings: Mapping[str, str]) -> None:
        """Bring it to a database and settings, undoing those of the last query.

        Raises ClickHouseError for a database or setting that does not exist.
        """
        try:
            self._configure(database, {**self._base, **settings})
        except RuntimeError:
            # After `readonly = 1` nothing can be changed back: begin with a new connection.
            self.renew()
            try:
                self._configure(database, {**self._base, **settings})
            except RuntimeError as error:
                raise from_engine(str(error)) from None

    def renew(self) -> None:
        """Forget whatever a statement (SET, USE, a temporary table) has done to the connection."""
        self.connection.close()
        self.connection = Connection(self._url)
        self._settings, self._database = {}, "default"

    def _configure(self, database: str, wanted: Mapping[str, str]) -> None:
        for name in self._settings.keys() - wanted.keys():
            self.connection.query(f"SET {name} = DEFAULT")
            del self._settings[name]
        for name, value in wanted.items():
            if self._settings.get(name) != value:
                self.connection.query(f"SET {name} = {quoted(value)}")
                self._settings[name] = value
        if database != self._database:
            self.connection.query(f"USE {quoted(database, '`')}")
            self._database = database


class Pool:
    """Sessions that are lent one query at a time; the last one used is lent first."""

    def __init__(self, name: str, size: int, url: str, base: Mapping[str, str]) -> None:
        self._size = size
        self._free: queue.LifoQueue[Session] = queue.LifoQueue()
        for number in range(size):
            self._free.put(Session(url, f"{name}-{number}", base))

    @contextmanager
    def lend(self) -> Iterator[Session]:
        """A session that nobody else uses. Raises ClickHouseError when none comes free."""
        try:
            session = self._free.get(timeout=_WAIT_S)
        except queue.Empty:
            raise named(TOO_MANY_QUERIES, "Too many simultaneous queries.") from None
        try:
            yield session
        finally:
            self._free.put(session)

    def close(self, deadline: float) -> None:
        """Close the sessions that come free before `deadline` (of `time.monotonic`)."""
        with suppress(queue.Empty):
            for _ in range(self._size):
                session = self._free.get(timeout=max(0.01, deadline - time.monotonic()))
                session.connection.close()


def quoted(text: str, quote: str = "'") -> str:
    """A string literal, or with a backtick an identifier."""
    return quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote
