"""How current the tables are; contract section 4, `data_as_of`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from query_api.questions import Rows
from query_api.zones import HOUR_S, utc

OVERDUE_S = 72 * HOUR_S
"""Outbound messages still in flight after so long are `unknown`; contract section 3."""


@dataclass(frozen=True)
class Freshness:
    """`as_of_ms`: every event that the log received before it is in the tables; None: unknown."""

    as_of_ms: int | None

    @property
    def data_as_of(self) -> datetime | None:
        """`as_of_ms` for an answer."""
        return None if self.as_of_ms is None else utc(self.as_of_ms / 1000)

    @property
    def overdue_before(self) -> int:
        """Epoch seconds: buckets that end at or before it ended 72 h before `data_as_of`."""
        return 0 if self.as_of_ms is None else max(0, self.as_of_ms // 1000 - OVERDUE_S)


def freshness(progress: Rows) -> Freshness:
    """The least `as_of` of the rows of `source_progress`; unknown while a source has none."""
    if not progress or len(progress) < max(row["partitions"] for row in progress):
        return Freshness(None)
    return Freshness(min(row["as_of_ms"] for row in progress))
