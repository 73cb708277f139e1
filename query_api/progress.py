"""How far the tables have come by source, and what that says of a version that is in them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from query_api.freshness import Freshness, freshness
from query_api.questions import Rows
from schemas.units import position, source_epoch

_UNKNOWN = Freshness(None)


@dataclass(frozen=True, eq=False)
class Progress:
    """How fresh the tables are, and up to which position the cells of each source are whole; each
    reading is one of its own."""

    fresh: Freshness = _UNKNOWN
    limits: Mapping[int, int] = field(default_factory=dict)
    erasures: str = ""

    @classmethod
    def of(cls, rows: Rows) -> Progress:
        """The answer of `source_progress`."""
        limits = {
            row["source"]: position(source_epoch(row["source"]), row["next_offset"]) for row in rows
        }
        erasures = rows[0]["erasures"] if rows else ""
        return cls(freshness(rows), limits, erasures)

    def goes_on_from(self, before: Progress) -> bool:
        """Whether all sources of an earlier reading are there, and none has gone back.

        An epoch that has ended may have gone on since that reading; one that goes back is of tables
        that were restored.
        """
        return all(self.limits.get(source, -1) >= limit for source, limit in before.limits.items())

    def limit(self, source: int) -> int | None:
        """None for a source that no worker writes any more; the epoch's begin for a new one."""
        if source in self.limits or not self.limits:
            return self.limits.get(source)
        newest = source_epoch(max(self.limits))
        epoch = source_epoch(source)
        return position(epoch, 0) if epoch >= newest else None

    def mark(self, source: int, version: int) -> int:
        """A version as part of a stamp.

        A flush writes one table after the other and the progress last. A version that it does not
        reach yet may be in some tables only, so it stands for the limit, and odd: once the progress
        has passed it, the mark is another one.
        """
        limit = self.limit(source)
        return 2 * version if limit is None or version < limit else 2 * limit - 1
