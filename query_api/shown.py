"""Asks about one user, and leaves out what lies before his erasure.

Every question about one user takes `erased_before`; asked without it ClickHouse refuses, so no
route can forget it. Questions about all users look into the view of that name themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from query_api.questions import Asker, ErasedBefore, Rows, map_of


def parameter(erased_before: ErasedBefore) -> dict[str, str]:
    """The parameter of questions about the user."""
    return {"erased_before": map_of(erased_before)}


class Shown:
    """What is to be shown of a user; an `Asker`."""

    def __init__(self, asker: Asker, erased_before: ErasedBefore) -> None:
        self._asker = asker
        self._parameter = parameter(erased_before)

    async def ask(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Rows:
        """The rows of a question."""
        return await self._asker.ask(question, sql, {**parameters, **self._parameter})
