"""What a request to ClickHouse's HTTP interface asks for: from URL, headers and body to a value.

Pure: nothing here reads a socket or runs a query. The rules are those of ClickHouse's HTTP
interface: the query is the `query` parameter followed by the body; `param_x` are typed query
parameters; every parameter that is not reserved is a setting.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import parse_qsl

_RESERVED = frozenset(
    {
        *("query", "database", "user", "password", "default_format", "role", "quota_key"),
        *("session_id", "session_timeout", "session_check", "close_session", "query_id"),
        *("compress", "decompress", "buffer_size", "wait_end_of_query", "stacktrace"),
        *("client_protocol_version",),
    }
)
_DISPOSITION = re.compile(rb"Content-Disposition:([^\r\n]*)", re.IGNORECASE)
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")
_PROBE_BYTES = 256 * 1024
_SPACE = rb"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
_HEAD = re.compile(_SPACE + rb"INSERT\b", re.IGNORECASE | re.DOTALL)
_TOKEN = re.compile(
    rb"\s+|--[^\n]*\n|/\*.*?\*/|'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\""
    rb"|[A-Za-z_][A-Za-z0-9_]*|[^\s]",
    re.DOTALL,
)
_FORMAT_NAME = re.compile(rb"\s+([A-Za-z][A-Za-z0-9]*)")
_AFTER_FORMAT = re.compile(rb";?[ \t\f]*\r?\n?")
_FORMAT = re.compile(
    r"\bFORMAT\s+([A-Za-z][A-Za-z0-9]*)(\s+SETTINGS\s[^()]*)?[\s;]*\Z", re.IGNORECASE
)
_SELECT = re.compile(_SPACE.decode() + r"\(*(?:SELECT|WITH)\b", re.IGNORECASE | re.DOTALL)
_SESSION = re.compile(
    _SPACE.decode() + r"(?:SET|USE|CREATE\s+TEMPORARY)\b", re.IGNORECASE | re.DOTALL
)

_KILL = re.compile(
    r"\s*KILL\s+QUERY\s+WHERE\s+query_id\s*=\s*'([^'\\]*)'(?:\s+(?:A?SYNC))?[\s;]*(?:FORMAT\s+\w+)?\s*\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Insert:
    """`INSERT INTO … FORMAT f` with its rows: `sql` ends before FORMAT, `chunks` are the rows."""

    sql: str
    format: str
    chunks: tuple[memoryview, ...]
    is_select = changes_session = False


@dataclass(frozen=True)
class Query:
    """Any other statement; `format` is what its answer comes in."""

    sql: str
    format: str

    @property
    def is_select(self) -> bool:
        """Whether it is a SELECT: only those can be answered while they run."""
        return bool(_SELECT.match(self.sql))

    @property
    def changes_session(self) -> bool:
        """Whether it changes the connection that it runs on, which must not outlive it."""
        return bool(_SESSION.match(self.sql))

    @property
    def without_format(self) -> str:
        """The statement without its FORMAT clause (and any SETTINGS behind that)."""
        match = _FORMAT.search(self.sql)
        return self.sql[: match.start()] if match else self.sql.rstrip().rstrip(";")


def killed(statement: Insert | Query) -> str | None:
    """The id of the query that a KILL QUERY means, in the one form that clients of ours use."""
    match = _KILL.match(statement.sql) if isinstance(statement, Query) else None
    return match[1] if match else None


@dataclass(frozen=True)
class Request:
    """A statement with the database, settings and query parameters that it runs under."""

    statement: Insert | Query
    database: str = "default"
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    buffered: bool = False


def arguments(query_string: str) -> dict[str, str]:
    """The URL's parameters, percent-decoded; of equal names the last one counts."""
    return dict(parse_qsl(query_string, keep_blank_values=True))


def read(url: Mapping[str, str], headers: Message, body: bytes) -> Request:
    """The request that URL parameters, headers and the decoded body make.

    Raises ValueError, naming what is wrong, for a form or a setting that cannot be read.
    """
    content_type = headers.get("Content-Type", "")
    if content_type.startswith("multipart/form-data"):
        return _read({**url, **_form_fields(content_type, body)}, headers, b"")
    return _read(url, headers, body)


def _read(values: Mapping[str, str], headers: Message, body: bytes) -> Request:
    default_format = (
        values.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated"
    )
    settings = {
        name: value
        for name, value in values.items()
        if name not in _RESERVED and not name.startswith("param_")
    }
    for name in settings:
        if not _SETTING.match(name):
            raise ValueError(f"{name!r} is not the name of a setting")
    return Request(
        statement=_statement(values.get("query", ""), body, default_format),
        database=values.get("database") or headers.get("X-ClickHouse-Database") or "default",
        settings=settings,
        parameters={
            name.removeprefix("param_"): value
            for name, value in values.items()
            if name.startswith("param_")
        },
        buffered=values.get("wait_end_of_query", "0") not in ("", "0"),
    )


def _form_fields(content_type: str, body: bytes) -> dict[str, str]:
    """The text fields of a form, where clickhouse-connect puts a query and its parameters when
    they are too long for a URL."""
    boundary = _parameter(content_type, "boundary")
    fields = {}
    for part in body.split(b"--" + boundary.encode())[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        disposition = _DISPOSITION.search(head)
        text = disposition[1].decode() if disposition else ""
        if "filename=" in text:
            raise ValueError("external data tables are not supported")
        fields[_parameter(text, "name")] = value.removesuffix(b"\r\n").decode()
    return fields


def _parameter(header: str, name: str) -> str:
    match = re.search(rf'\b{name}=(?:"([^"]*)"|([^;\s]+))', header)
    if not match:
        raise ValueError(f"the form's header lacks {name!r}")
    return match[1] if match[1] is not None else match[2]


def _statement(query: str, body: bytes, default_format: str) -> Insert | Query:
    prefix = query.encode() + b"\n" if query else b""
    probe = prefix + body[:_PROBE_BYTES]
    if _HEAD.match(probe) and (found := _rows_begin(probe)):
        sql_end, name, offset = found
        # Short VALUES stay text: they may hold query parameters, which rows cannot.
        if name != "Values" or len(prefix) + len(body) > _PROBE_BYTES:
            in_prefix = memoryview(probe)[offset : len(prefix)]
            in_body = memoryview(body)[max(0, offset - len(prefix)) :]
            chunks = tuple(chunk for chunk in (in_prefix, in_body) if chunk.nbytes)
            return Insert(probe[:sql_end].decode(), name, chunks)
    sql = (prefix + body).decode()
    match = _FORMAT.search(sql)
    return Query(sql, match[1] if match else default_format)


def _rows_begin(probe: bytes) -> tuple[int, str, int] | None:
    """Where an INSERT's own text ends, its format, and where its rows begin.

    None when its rows come from a SELECT or a file, or when it names no format at all.
    """
    depth, position = 0, 0
    while match := _TOKEN.match(probe, position):
        start, position = position, match.end()
        word = match[0].upper()
        depth += (word == b"(") - (word == b")")
        if depth == 0 and word == b"VALUES":
            return start, "Values", position
        if depth == 0 and word == b"FORMAT":
            return _after_format(probe, start, position)
        if depth == 0 and word in (b"SELECT", b"WITH", b"INFILE", b"WATCH"):
            return None
    return None


def _after_format(probe: bytes, start: int, position: int) -> tuple[int, str, int] | None:
    name = _FORMAT_NAME.match(probe, position)
    if not name:
        return None
    # Rows begin after the first newline, or after the blanks where there is none, as in
    # ClickHouse's ParserInsertQuery; a binary row may itself begin with white space.
    after = _AFTER_FORMAT.match(probe, name.end())
    return start, name[1].decode(), after.end() if after else name.end()
