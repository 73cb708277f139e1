"""The working set of one partition: its hot cells, recent messages, and what is not durable yet.

Lives in Faust's memory table, one entry for each assigned partition; loaded from ClickHouse when
the partition is assigned, thrown away when it is revoked.
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.rows import CELL_TABLES
from schemas.units import position, source
from streams.core.cells import CellRows, CellTable
from streams.core.erasure import Cuts
from streams.core.orphans import Orphan, Orphans
from streams.core.recent import MessageRows, MessageTable

MAX_ORPHANS = 100_000
"""Receipts of one partition that wait for their messages; beyond it the oldest give up."""


class DeadLetter(NamedTuple):
    """A record on its way to the dead-letter topic: its own key and value, and why."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    reason: str
    detail: str


class Snapshot(NamedTuple):
    """What one flush writes of a partition: everything folded since the last one."""

    partition: int
    source: int
    messages: MessageRows
    cells: dict[str, CellRows]
    orphans: list[Orphan]
    dead_letters: list[DeadLetter]
    next_offset: int
    end_offset: int
    as_of_ms: int


class WorkingSet:
    """State of one partition within one generation of the assignment."""

    def __init__(self, epoch: int, partition: int, next_offset: int, as_of_ms: int) -> None:
        self.epoch = epoch
        self.partition = partition
        self.source = source(epoch, partition)
        self.next_offset = next_offset
        self.durable_offset = next_offset
        self.end_offset = next_offset
        self.tables = {name: CellTable({}) for name in CELL_TABLES}
        self.quarantined: dict[int, str] = {}
        self.messages = MessageTable()
        self.orphans = Orphans(MAX_ORPHANS)
        self.cuts = Cuts()
        self.receipts: dict[int, str] = {}
        self.dead_letters: list[DeadLetter] = []
        self.as_of_ms = as_of_ms
        self._checked: tuple[int, int] = (-1, 0)

    def position(self, offset: int) -> int:
        """The place in the log of an offset of this partition."""
        return position(self.epoch, offset)

    @property
    def pending(self) -> int:
        """Events folded that are not durable."""
        return self.next_offset - self.durable_offset

    def checked(self, end_offset: int, at_ms: int) -> None:
        """Take note that the log ended at `end_offset` at `at_ms`."""
        self.end_offset = max(end_offset, self.next_offset)
        self._checked = (end_offset, at_ms)

    def folded(self, next_offset: int, record_ms: int) -> None:
        """Everything before `next_offset` has been folded; the last record was of `record_ms`."""
        self.next_offset = next_offset
        self.end_offset = max(self.end_offset, next_offset)
        self.as_of_ms = max(self.as_of_ms, record_ms)

    def snapshot(self) -> Snapshot:
        """Copy what is not durable, for a flush; only one flush may be under way at a time."""
        end, at_ms = self._checked
        if end >= 0 and self.next_offset >= end:
            self.as_of_ms = max(self.as_of_ms, at_ms)
        copies = {name: table.take_dirty() for name, table in self.tables.items()}
        cells = {name: copy for name, copy in copies.items() if copy is not None}
        dead_letters, self.dead_letters = self.dead_letters, []
        return Snapshot(
            self.partition,
            self.source,
            self.messages.take_dirty(),
            cells,
            self.orphans.take_changed(),
            dead_letters,
            self.next_offset,
            self.end_offset,
            self.as_of_ms,
        )

    def acknowledge(self, snapshot: Snapshot, max_cells: int, max_messages: int) -> dict[str, int]:
        """The flush of `snapshot` is durable: give back memory beyond the limits.

        Returns how many cells of each table were evicted.
        """
        self.durable_offset = snapshot.next_offset
        self.messages.evict(max_messages)
        return {name: table.evict(max_cells) for name, table in self.tables.items()}
