"""The ledger: one JSON line per record, in the order of sending, written before it is sent.

`{"key", "value" (or "value_base64" where it is not UTF-8), "kind", "user_id", "country"}`, and
`reason` for poison. An oracle needs nothing else to know every number; and a ledger can be sent
again, because the same events change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from deploy.simulate.records import Kind, Record


class Line(msgspec.Struct, omit_defaults=True):
    """A record as a line; `value` is absent exactly when `value_base64` is there."""

    key: str | None
    kind: Kind
    user_id: int
    country: str
    value: str | msgspec.UnsetType | None = msgspec.UNSET
    value_base64: bytes | msgspec.UnsetType = msgspec.UNSET
    reason: str | msgspec.UnsetType = msgspec.UNSET


def line_of(record: Record) -> Line:
    """The line of a record."""
    value: Any = record.value
    line = Line(record.key, record.kind, record.user_id, record.country)
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            line.value_base64 = value
            value = msgspec.UNSET
    line.value = value
    if record.reason is not None:
        line.reason = record.reason
    return line


def record_of(line: Line) -> Record:
    """The record of a line; raises ValueError for a line without any value."""
    value: Any = line.value if line.value_base64 is msgspec.UNSET else line.value_base64
    if value is msgspec.UNSET:
        raise ValueError("a ledger line needs value or value_base64")
    reason = None if line.reason is msgspec.UNSET else line.reason
    return Record(line.key, value, line.kind, line.user_id, line.country, reason)


def read_ledger(path: Path) -> Iterator[Record]:
    """The records of a ledger, except a last line that a killed simulator left unfinished."""
    decoder = msgspec.json.Decoder(Line)
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield record_of(decoder.decode(line))


def _drop_unfinished_line(path: Path) -> None:
    """Cut off a line without its end: what was not wholly written was not sent either."""
    text = path.read_bytes() if path.exists() else b""
    if text and not text.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(text.rfind(b"\n") + 1)


class Ledger:
    """Appends to a ledger file; a finished `write` survives the death of this process."""

    def __init__(self, path: Path) -> None:
        _drop_unfinished_line(path)
        self._encoder = msgspec.json.Encoder()
        self._file = path.open("ab", buffering=0)

    def write(self, records: Iterable[Record]) -> None:
        """Append the records in one call to the operating system."""
        lines = self._encoder.encode_lines(line_of(record) for record in records)
        view = memoryview(lines)
        while view:
            view = view[self._file.write(view) :]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()
