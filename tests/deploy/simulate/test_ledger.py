"""The ledger: bytes come back as they were, also after a kill in the middle of a line."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from deploy.simulate.ledger import Ledger, read_ledger
from deploy.simulate.records import Record

RECORDS = [
    Record("42", '{"a":"ü"}', "message", 42, "DE"),
    Record("42", b"Gr\xfc\xdfe", "poison", reason="invalid_json"),
    Record("42", b"{}", "poison", reason="missing_field"),
    Record(None, None, "poison", reason="invalid_json"),
    Record("", "", "poison", reason="invalid_json"),
    Record("+4915112345678", '{"user_id": 7}', "mapping", 7),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.ndjson"


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def test_records_come_back(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.write(RECORDS)
    found = list(read_ledger(path))
    assert [(r.key, _bytes(r.value), r.kind, r.user_id, r.country, r.reason) for r in found] == [
        (r.key, _bytes(r.value), r.kind, r.user_id, r.country, r.reason) for r in RECORDS
    ]


def test_lines_are_plain_json(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.write(RECORDS)
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert lines[0] == {
        "key": "42",
        "kind": "message",
        "user_id": 42,
        "country": "DE",
        "value": '{"a":"ü"}',
    }
    assert base64.b64decode(lines[1]["value_base64"]) == b"Gr\xfc\xdfe"
    assert "value" not in lines[1]
    assert lines[3]["value"] is None
    assert lines[3]["key"] is None
    assert lines[4]["value"] == ""


def test_what_is_written_is_in_the_file_before_it_is_closed(path: Path) -> None:
    ledger = Ledger(path)
    ledger.write(RECORDS[:1])
    assert len(list(read_ledger(path))) == 1
    ledger.close()


def test_an_unfinished_line_is_not_read_and_cut_off_on_the_next_start(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.write(RECORDS[:2])
    path.write_bytes(path.read_bytes()[:-5])
    assert len(list(read_ledger(path))) == 1
    with Ledger(path) as ledger:
        ledger.write(RECORDS[2:3])
    assert [record.value for record in read_ledger(path)] == [RECORDS[0].value, "{}"]
