"""Files into compacted topics, what the topics hold, and faults that name their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.topics import USER_PHONES
from streams.compacted import load_phones, read_to_end, show
from tests.streams.records import send

_NOWHERE = "127.0.0.1:1"  # nothing is sent where a file has a fault


def _file(directory: Path, text: str) -> Path:
    path = directory / "given"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.live
def test_phones_are_loaded_and_shown(broker: str, tmp_path: Path) -> None:
    path = _file(tmp_path, 'phone_number,user_id\n+491,1\n"+492",2\n+491,3\n')
    assert load_phones(broker, path) == 2
    assert show(broker, USER_PHONES) == {"+491": b'{"user_id":3}', "+492": b'{"user_id":2}'}
    assert load_phones(broker, _file(tmp_path, "user_id,phone_number\n9,+492\n")) == 1
    assert show(broker, USER_PHONES)["+492"] == b'{"user_id":9}'


@pytest.mark.live
def test_a_removed_key_is_not_shown(broker: str) -> None:
    send(broker, [(b"a", b"1"), (b"b", b"2"), (b"a", None)], USER_PHONES)
    assert show(broker, USER_PHONES) == {"b": b"2"}


@pytest.mark.live
def test_an_empty_topic_is_shown_empty(broker: str) -> None:
    assert show(broker, USER_PHONES) == {}


@pytest.mark.live
def test_a_topic_is_read_to_its_end_in_order(broker: str) -> None:
    send(broker, [(b"%d" % n, b"v") for n in range(12_000)], USER_PHONES)
    assert [record.key() for record in read_to_end(broker, USER_PHONES)] == [
        b"%d" % n for n in range(12_000)
    ]


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("phone_number,user_id\n+491,1\n491,2\n", 3, "phone_number"),
        ("phone_number,user_id\n+491,0\n", 2, "user_id"),
        ("phone_number,user_id\n+491,x\n", 2, "user_id"),
        ("phone_number,user_id\n+491,\n", 2, "user_id"),
        ("phone_number,user_id\n+491\n", 2, "user_id"),
        ("phone,user\n+491,1\n", 2, "phone_number"),
        ("+491,1\n+492,2\n", 2, "phone_number"),
        ("phone_number,user_id\n+491,1\n\n\n491,2\n", 5, "phone_number"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, text: str, line: int, fault: str) -> None:
    with pytest.raises(ValueError, match=rf"given line {line}: .*{fault}"):
        load_phones(_NOWHERE, _file(tmp_path, text))
