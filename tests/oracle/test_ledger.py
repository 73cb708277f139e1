"""Ledger lines in Kafka's bytes, and the dead letters that follow from them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from tests.oracle.dead_letters import expected, expected_reasons
from tests.oracle.ledger import read


def line(**fields: Any) -> str:
    return json.dumps({"key": "1", "kind": "message", "user_id": 1, "country": "DE"} | fields)


def test_bytes_and_nulls_come_back_and_the_dead_letters_are_the_poison(tmp_path: Path) -> None:
    path = tmp_path / "ledger.ndjson"
    lines = [
        line(value='{"a":"ü"}'),
        line(
            kind="poison", value_base64=base64.b64encode(b"\xff{").decode(), reason="invalid_json"
        ),
        line(kind="poison", key=None, value=None, reason="invalid_json"),
        line(kind="poison", key="", value="", reason="invalid_json"),
        line(kind="status", value='{"type":"status"}'),
        '{"key": "1", "unfinished',
    ]
    path.write_text("\n".join(lines))
    records = list(read(path))
    assert [(sent.key, sent.value) for sent in records] == [
        (b"1", '{"a":"ü"}'.encode()),
        (b"1", b"\xff{"),
        (None, None),
        (b"", b""),
        (b"1", b'{"type":"status"}'),
    ]
    poison = {(b"1", b"\xff{"), (None, None), (b"", b"")}
    assert expected(records) == poison
    assert expected(records, receipts_are_orphans=True) == poison | {(b"1", b'{"type":"status"}')}
    assert expected_reasons(records) == dict.fromkeys(poison, "invalid_json")
