"""How the log differs from what the workers left, and where a new epoch of it begins.

Values only; `streams.decisions` asks and writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from schemas.units import partition_of, source


class Left(NamedTuple):
    """How the workers left a source: a row of `source_progress`."""

    source: int
    next_offset: int
    end_offset: int
    as_of: datetime
    topic_id: str
    partitions: int


class Begin(NamedTuple):
    """Where a source begins from now on, and how many records before it were never read."""

    source: int
    next_offset: int
    unread: int = 0

    def __str__(self) -> str:
        where = f"partition {partition_of(self.source)} goes on at offset {self.next_offset}"
        return where + (f"; {self.unread} records are gone unread" if self.unread else "")


class Case(NamedTuple):
    """The newest epoch as the workers left it, by partition, and the log as it is."""

    epoch: int
    left: Mapping[int, Left]
    topic_id: str
    partitions: int
    starts: Mapping[int, int]
    ends: Mapping[int, int]

    @property
    def is_anew(self) -> bool:
        """Whether the topic is another one."""
        return any(row.topic_id != self.topic_id for row in self.left.values())

    @property
    def partitions_before(self) -> int:
        """How many partitions the topic had."""
        return max(row.partitions for row in self.left.values())

    @property
    def gaps(self) -> dict[int, int]:
        """How many records the log lost unread, by partition."""
        gone = {p: self.starts.get(p, 0) - row.next_offset for p, row in self.left.items()}
        return {p: number for p, number in sorted(gone.items()) if number > 0}

    def is_shorter(self, partition: int) -> bool:
        """Whether a partition ends before what was folded of it."""
        return self.ends.get(partition, 0) < self.left[partition].next_offset


def reasons(case: Case, wanted: int | None = None) -> list[str]:
    """In which ways the log is not as it was left, or is not to be with `wanted` partitions."""
    found = []
    if case.is_anew:
        found.append(f"the topic was made anew (id {case.topic_id})")
    elif shorter := [partition for partition in case.left if case.is_shorter(partition)]:
        found.append(f"the log became shorter in {_named(shorter)}")
    if (partitions := max(case.partitions, wanted or 0)) != case.partitions_before:
        found.append(f"{partitions} partitions instead of {case.partitions_before}")
    return found


def begins(case: Case) -> list[Begin]:
    """Where the sources of the next epoch begin.

    A partition of a topic made anew begins where its log does. One that became shorter is read
    again as far as the log holds it: how much of that is new is not known, and what is known is a
    duplicate. Any other goes on where it was left.
    """
    found = []
    for partition in range(case.partitions):
        row, first = case.left.get(partition), case.starts[partition]
        new = source(case.epoch + 1, partition)
        if row is not None and case.is_anew:
            found.append(Begin(new, first, max(0, row.end_offset - row.next_offset)))
        elif row is None or case.is_shorter(partition):
            found.append(Begin(new, first))
        else:
            found.append(Begin(new, row.next_offset))
    return found


def after_gaps(case: Case, partition: int | None = None) -> list[Begin]:
    """Where the sources that lost records begin, all of them or that of one partition."""
    return [
        Begin(case.left[p].source, case.starts[p], gone)
        for p, gone in case.gaps.items()
        if partition in (None, p)
    ]


def _named(partitions: Sequence[int]) -> str:
    word = "partition" if len(partitions) == 1 else "partitions"
    return f"{word} {', '.join(map(str, partitions))}"
