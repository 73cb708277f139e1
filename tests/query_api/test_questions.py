"""What questions do beside asking."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from query_api import questions
from query_api.questions import Rows
from schemas.units import PARTITION_BITS

_EPOCH = 1 << PARTITION_BITS


class Asker:
    """Has sources' progress."""

    def __init__(self, sources: list[int]) -> None:
        self._sources = sources

    async def ask(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Rows:
        return [{"source": source} for source in self._sources]


@pytest.mark.parametrize(
    ("sources", "newest"),
    [
        ([], []),
        ([1, 0], [0, 1]),
        ([_EPOCH + 1, 0, 7, _EPOCH], [_EPOCH, _EPOCH + 1]),
        ([3 * _EPOCH, 2 * _EPOCH + 5], [3 * _EPOCH]),
    ],
)
def test_progress_is_that_of_the_newest_epoch_in_order(
    sources: list[int], newest: list[int]
) -> None:
    found = asyncio.run(questions.source_progress(Asker(sources)))
    assert [row["source"] for row in found] == newest
