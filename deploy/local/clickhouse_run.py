"""Runs one statement on one chDB connection; its answer is what ClickHouse would send."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.local.clickhouse_errors import from_engine
from deploy.local.clickhouse_request import Insert, Query

_STREAMED_FORMATS = frozenset(
    {"Native", "TabSeparated", "TSV", "CSV", "RowBinary", "JSONEachRow", "JSONCompactEachRow"}
)
"""Formats without head or tail, whose blocks may follow one another in one answer."""


_SETTINGS = re.compile(r"\bSETTINGS\s+\w+\s*=", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """A whole answer: `data` in `format`, and what ClickHouse's summary header says of it."""

    data: bytes
    format: str
    summary: Mapping[str, int]


def can_stream(statement: Query | Insert) -> bool:
    """Whether its answer may be sent block by block."""
    return statement.is_select and statement.format in _STREAMED_FORMATS


def query(connection: Any, statement: Query, parameters: Mapping[str, str]) -> Answer:
    """Run a statement and wait for its whole answer. Raises ClickHouseError."""
    try:
        result = connection.query(statement.sql, statement.format, params=dict(parameters))
    except RuntimeError as error:
        raise from_engine(str(error)) from None
    data = result.bytes() if result.size() else b""  # a view would not keep the result alive
    if not data and statement.format == "Native" and statement.is_select:
        data = _empty_block(connection, statement, parameters)
    summary = {
        "read_rows": result.storage_rows_read(),
        "read_bytes": result.storage_bytes_read(),
        "written_rows": result.rows_written(),
        "written_bytes": result.bytes_written(),
        "result_rows": result.rows_read(),
        "result_bytes": len(data),
        "elapsed_ns": int(result.elapsed() * 1e9),
    }
    return Answer(data, statement.format, summary)


def blocks(connection: Any, statement: Query, parameters: Mapping[str, str]) -> Iterator[bytes]:
    """Yield a SELECT's answer block by block while it runs; closing cancels what is left.

    At least one item comes, empty for an empty text format. Raises ClickHouseError.
    """
    empty = True
    try:
        with connection.send_query(
            statement.sql, statement.format, params=dict(parameters)
        ) as stream:
            for chunk in stream:
                empty = False
                yield chunk.bytes()
    except RuntimeError as error:
        raise from_engine(str(error)) from None
    if empty:
        yield (
            _empty_block(connection, statement, parameters) if statement.format == "Native" else b""
        )


def insert(connection: Any, statement: Insert) -> Answer:
    """Insert rows as they came over the wire. Raises ClickHouseError, and then nothing of the
    block in which the error was is stored.

    Through a file in memory: chDB's own stream of rows (`send_insert`) acknowledges what it could
    not store, such as on a full disk.
    """
    began = time.perf_counter_ns()
    rows = os.memfd_create("rows")
    try:
        for chunk in statement.chunks:
            _write(rows, chunk)
        sql = _from_file(statement, f"/proc/self/fd/{rows}")
        result = connection.query(sql, statement.format)
        summary = {
            "written_rows": result.rows_written(),
            "written_bytes": result.bytes_written(),
            "elapsed_ns": time.perf_counter_ns() - began,
        }
    except RuntimeError as error:
        raise from_engine(str(error)) from None
    finally:
        os.close(rows)
    return Answer(b"", statement.format, summary)


def _from_file(statement: Insert, path: str) -> str:
    """The INSERT with a file as its rows, which is named before any SETTINGS of its own."""
    match = _SETTINGS.search(statement.sql)
    end = match.start() if match else len(statement.sql)
    head, settings = statement.sql[:end], statement.sql[end:]
    return f"{head} FROM INFILE '{path}' {settings} FORMAT {statement.format}"


def _write(file: int, chunk: memoryview) -> None:
    while chunk:
        chunk = chunk[os.write(file, chunk) :]


def _empty_block(connection: Any, statement: Query, parameters: Mapping[str, str]) -> bytes:
    """The Native block without rows by which a server tells the columns of an empty answer, and
    which chDB leaves out."""
    try:
        described = connection.query(
            f"DESCRIBE TABLE ({statement.without_format})", "TSVRaw", params=dict(parameters)
        )
    except RuntimeError:
        return b""
    columns = [line.split("\t") for line in described.bytes().decode().splitlines()]
    texts = [text for column in columns for text in column[:2]]
    return b"".join([_varint(len(columns)), b"\0", *(_string(text) for text in texts)])


def _string(text: str) -> bytes:
    encoded = text.encode()
    return _varint(len(encoded)) + encoded


def _varint(number: int) -> bytes:
    """LEB128, as the Native format writes its counts."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
