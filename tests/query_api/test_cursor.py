"""Cursors: what goes in comes out, for the same question and from us only."""

from __future__ import annotations

import base64

import pytest

from query_api.cursor import MAX_CHARACTERS, CursorSigner
from query_api.errors import InvalidParametersError

_SIGNER = CursorSigner(b"secret")


@pytest.mark.parametrize("key", [0.0, -1.0, 1 / 3, 12345678901234.0, -0.1])
@pytest.mark.parametrize("user_id", [1, 2**53 - 1, "SM1", "😀" * 64, "'\"\\\n"])
def test_a_cursor_keeps_its_values_exactly(key: float, user_id: int | str) -> None:
    cursor = _SIGNER.cursor(key, user_id, "asked")
    assert _SIGNER.after(cursor, "asked") == (key, user_id)
    assert len(cursor) <= MAX_CHARACTERS


def _altered() -> list[str]:
    cursor = _SIGNER.cursor(5.0, 7, "asked")
    other_payload = base64.urlsafe_b64encode(base64.urlsafe_b64decode(cursor)[:16] + b"[9.0,7]")
    return [
        "",
        "x",
        "é",
        "a" * 200,
        cursor[:-4],
        cursor + "AAAA",
        cursor.swapcase(),
        other_payload.decode(),
        base64.urlsafe_b64encode(b"[5.0,7]").decode(),
        CursorSigner(b"another secret").cursor(5.0, 7, "asked"),
        _SIGNER.cursor(5.0, 7, "another question"),
    ]


@pytest.mark.parametrize("cursor", _altered())
def test_any_other_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidParametersError) as caught:
        _SIGNER.after(cursor, "asked")
    assert caught.value.errors[0].parameter == "cursor"
