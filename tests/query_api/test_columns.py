"""An answer that is not whole is a failure, wherever it breaks off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.exceptions import StreamFailureError

from query_api.clickhouse import columns_of
from schemas.native import Block

_ERROR = b"Code: 241. DB::Exception: Memory limit (for query) exceeded. (MEMORY_LIMIT_EXCEEDED)\n"


class _Client:
    """Answers with the same bytes, whatever it is asked."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def raw_query(self, sql: str, **asked: Any) -> bytes:
        assert asked == {"fmt": "Native"}
        return self._answer


def _columns(answer: bytes) -> Any:
    client: Any = _Client(answer)
    return columns_of(client, "SELECT")


def _block() -> bytes:
    block = Block(2)
    block.numbers("owner", "UInt64", [7, 8])
    block.arrays("totals", "Int64", np.array([2, 3]), np.array([1, 2, 3]))
    return block.to_bytes()


def test_an_answer_is_columns() -> None:
    owner, totals = _columns(_block() * 2)
    assert owner.tolist() == [7, 8, 7, 8]
    assert totals.ends.tolist() == [2, 3, 5, 6]
    assert _columns(b"") == []


@pytest.mark.parametrize("behind", [b"", _ERROR])
def test_one_that_breaks_off_is_none(behind: bytes) -> None:
    for length in range(1, len(_block())):
        with pytest.raises(StreamFailureError, match="not whole"):
            _columns(_block()[:length] + behind)
