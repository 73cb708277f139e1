"""ClickHouse's errors as HTTP answers."""

from __future__ import annotations

import pytest

from deploy.local.clickhouse_errors import UNKNOWN_EXCEPTION, from_engine


@pytest.mark.parametrize(
    ("text", "code", "status"),
    [
        ("Code: 60. DB::Exception: no table. (UNKNOWN_TABLE)", 60, 404),
        ("Streaming query failed: Code: 62. DB::Exception: Syntax error", 62, 400),
        ("Code: 159. DB::Exception: Timeout exceeded", 159, 408),
        ("Code: 395. DB::Exception: thrown", 395, 500),
        ("something else", UNKNOWN_EXCEPTION, 500),
        ("", UNKNOWN_EXCEPTION, 500),
    ],
)
def test_code_and_status(text: str, code: int, status: int) -> None:
    error = from_engine(text)
    assert (error.code, error.status) == (code, status)
    assert error.message.startswith(f"Code: {code}. DB::Exception: ")
