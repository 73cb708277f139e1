"""The control's rule and its section in the page of the fault runs."""

from __future__ import annotations

import json
from pathlib import Path

from tests.faults.control.job import decode, truth
from tests.faults.control.table import kept, put_into


def _value(sid: str, **changes: object) -> bytes:
    fields = {"message_sid": sid, "user_id": 7, "direction": "outbound-api"}
    fields |= {"occurred_at": "2026-03-01T12:14:59.999+00:00", "country_code": "US"}
    return json.dumps(fields | changes).encode()


def test_a_message_belongs_to_its_quarter_of_an_hour() -> None:
    message = decode(_value("a"))
    assert message is not None
    assert message.cell == "7|1772366400|outbound|sms|US"


def test_receipts_and_what_cannot_be_read_are_left_out() -> None:
    values = [_value("a", type="status"), b"{", b"[]", None, _value("a", occurred_at=3)]
    assert [decode(value) for value in values] == [None] * 5


def test_repetitions_count_only_where_sids_are_not_remembered() -> None:
    values = [_value("a"), _value("b"), _value("a")]
    assert truth(values, once=True).total() == 2
    assert truth(values, once=False).total() == 3


def test_the_section_replaces_itself_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "faults.md"
    page.write_text("# Fault runs\n\nfirst\n")
    line = {"job": "per event", "kills": 3, "messages": 1000, "lost": 2, "doubled": 4, "crashes": 0}
    put_into(page, [line])
    put_into(page, [line, line])
    text = page.read_text()
    assert text.startswith("# Fault runs\n\nfirst\n\n## Control")
    assert text.count("## Control") == 1
    assert "| per event | 3 | 2 | 0 | 2,000 | 4 | 8 | 0 |" in text
    assert text == "# Fault runs\n\nfirst\n" + kept(page)
