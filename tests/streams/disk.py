"""A ClickHouse in dictionaries, and what else a folder needs, for tests of folding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from schemas.rows import CELL_TABLES
from streams.core.cells import CellRows, CellTable, Keys
from streams.core.erasure import StubSids
from streams.core.history import Entry
from streams.core.message import Reference
from streams.core.orphans import Orphan
from streams.core.recent import MessageRows
from streams.core.seen import SidFilter
from streams.folding import Folder
from streams.intake import Chunk
from streams.working_set import Snapshot, WorkingSet
from tests.streams.columns import Cell, Key, cell_rows, cells_of, messages_of, rows_of
from tests.streams.samples import NOON_MS, Message, event, reference

Record = tuple[bytes | None, bytes | None, int]
"""Key, value and timestamp of a record."""


class GivenReference:
    """Reference data as given; `later` is what is known once it has been read to its end."""

    def __init__(self, current: Reference, later: Reference | None = None) -> None:
        self.current = current
        self._later = later
        self.times_caught_up = 0

    def catch_up(self) -> None:
        self.times_caught_up += 1
        self.current = self._later or self.current


class Disk:
    """What is durable: absolute rows of messages and cells, the newest version of each."""

    def __init__(self) -> None:
        self.log: dict[str, Message] = {}
        self.histories: dict[str, list[Entry]] = {}
        self.cells: dict[str, dict[Key, Cell]] = {name: {} for name in CELL_TABLES}
        self.orphans: dict[tuple[int, int], Orphan] = {}
        self.next_offset = 0
        self.reads = 0

    def messages(self, source: int, sids: Sequence[bytes]) -> MessageRows:
        self.reads += 1
        asked = [sid.decode() for sid in sids]
        return self._rows([self.log[sid] for sid in asked if sid in self.log])

    def messages_since(self, source: int, first: int) -> MessageRows:
        return self._rows([each for each in self.log.values() if each.version >= first])

    def load_cold(
        self, tables: Mapping[str, CellTable], keys: Mapping[str, Keys], source: int
    ) -> None:
        self.reads += 1
        for name, wanted in keys.items():
            self.load(name, tables[name], wanted.tolist())

    def load(self, name: str, table: CellTable, keys: Iterable[Key]) -> None:
        known = self.cells[name]
        table.load(cell_rows({key: known[key] for key in keys if key in known}))

    def waiting(self) -> list[Orphan]:
        """The receipts that wait for their messages."""
        waiting = [each for each in self.orphans.values() if not each.is_gone]
        return sorted(waiting, key=lambda orphan: orphan.entry.position)

    def steps(self, snapshot: Snapshot) -> list[Any]:
        """The writes of a flush, in the order of durability; a crash may come between any two."""
        rows = snapshot.messages
        messages = messages_of(rows.sids, rows.messages)
        histories = {messages[place].sid: kept for place, kept in rows.histories.items()}
        middle = len(messages) // 2
        return [
            lambda: self._write_messages(messages[:middle], histories),
            lambda: self._write_messages(messages[middle:], histories),
            *[
                lambda name=name, rows=rows: self._write_cells(name, rows)
                for name, rows in snapshot.cells.items()
            ],
            lambda: self._write_orphans(snapshot.orphans),
            lambda: setattr(self, "next_offset", max(self.next_offset, snapshot.next_offset)),
        ]

    def _rows(self, messages: Sequence[Message]) -> MessageRows:
        kept = {n: self.histories.get(each.sid) for n, each in enumerate(messages)}
        histories = {place: list(entries) for place, entries in kept.items() if entries}
        return rows_of(messages)._replace(histories=histories)

    def _write_messages(
        self, messages: Iterable[Message], histories: Mapping[str, list[Entry]]
    ) -> None:
        for message in messages:
            self.log[message.sid] = message
            self.histories[message.sid] = histories.get(message.sid, [])

    def _write_cells(self, name: str, rows: CellRows) -> None:
        for key, cell in cells_of(rows).items():
            before = self.cells[name].get(key)
            if before is None or before.last <= cell.last:
                self.cells[name][key] = cell

    def _write_orphans(self, orphans: Iterable[Orphan]) -> None:
        for orphan in orphans:
            place = (orphan.source, orphan.entry.position)
            before = self.orphans.get(place)
            if before is None or not before.is_gone:
                self.orphans[place] = orphan


def make_folder(
    disk: Disk, known: GivenReference | None = None, sids: SidFilter | None = None
) -> Folder:
    """A folder that reads from `disk`."""
    store: Any = disk
    given: Any = known or GivenReference(reference())
    return Folder(store, sids or SidFilter(1), given, StubSids("a-key-of-tests").of)


def new_state(next_offset: int = 0) -> WorkingSet:
    """The working set of partition 2 in epoch 1, empty."""
    return WorkingSet(epoch=1, partition=2, next_offset=next_offset, as_of_ms=0)


def chunk(records: Sequence[Record], first: int = 0) -> Chunk:
    """Records that lie in the log from offset `first` on."""
    return Chunk.of(2, first, records)


def record(sid: str = "SM1", timestamp: int = NOON_MS, **fields: Any) -> Record:
    """A `message` event of user 7."""
    return (b"7", event(sid, **fields), timestamp)


def unwritten(state: WorkingSet) -> list[Message]:
    """The messages of a working set that were not written yet; they count as written now."""
    rows = state.messages.take_dirty()
    return messages_of(rows.sids, rows.messages)
