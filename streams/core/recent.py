"""The messages that a working set holds: all that are not durable yet, and the most recent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.core.columns import Ints, as_bytes, gather
from streams.core.history import Entry, History
from streams.core.message import MESSAGE, Messages


class MessageRows(NamedTuple):
    """Messages and their sids (UTF-8), as they were when the copy was taken.

    `histories` has the entries of those, by place, that have more than their own.
    """

    sids: list[bytes]
    messages: Messages
    histories: dict[int, list[Entry]]


class MessageTable:
    """Messages by sid; `rows` is an array of `MESSAGE`, of which `len(self)` are in use."""

    def __init__(self) -> None:
        self._index: dict[bytes, int] = {}
        self._sids: list[bytes] = []
        self.rows: Messages = np.zeros(1024, MESSAGE)
        self.histories: dict[bytes, History] = {}
        self._is_dirty: npt.NDArray[np.bool_] = np.zeros(1024, np.bool_)
        self._has_history: npt.NDArray[np.bool_] = np.zeros(1024, np.bool_)

    def __len__(self) -> int:
        return len(self._sids)

    def find(self, sids: Sequence[bytes]) -> Ints:
        """The row of each sid; −1 where it is not in memory."""
        get = self._index.get
        return np.array([get(sid, -1) for sid in sids], np.int64)

    def add(self, sids: Sequence[bytes], messages: Messages, *, is_durable: bool = False) -> Ints:
        """Hold messages that are not here yet; returns their rows."""
        first, end = len(self._sids), len(self._sids) + len(sids)
        while end > len(self.rows):
            self._grow()
        as_bytes(self.rows)[first:end] = as_bytes(messages)
        self._is_dirty[first:end] = not is_durable
        self._sids.extend(sids)
        self._index.update(zip(sids, range(first, end), strict=True))
        return np.arange(first, end)

    def load(self, found: MessageRows) -> None:
        """Hold messages as ClickHouse has them; those that are here already stay."""
        new = [place for place, sid in enumerate(found.sids) if sid not in self._index]
        sids = [found.sids[place] for place in new]
        rows = self.add(sids, found.messages[new], is_durable=True)
        for place, row, sid in zip(new, rows.tolist(), sids, strict=True):
            if place in found.histories:
                own_position = int(found.messages["position"][place])
                self.histories[sid] = History(own_position, found.histories[place])
                self._has_history[row] = True

    def sid(self, row: int) -> bytes:
        """The sid of the message in a row."""
        return self._sids[row]

    def have_history(self, rows: Ints) -> npt.NDArray[np.bool_]:
        """Which of these messages have an entry in `histories` beyond what their rows say."""
        return self._has_history[rows]

    def replace(self, rows: Ints, messages: Messages, histories: Sequence[History]) -> None:
        """Put messages and their histories into rows; they are to be written again."""
        as_bytes(self.rows)[rows] = as_bytes(messages)
        for row, history in zip(rows.tolist(), histories, strict=True):
            self.histories[self._sids[row]] = history
        self._is_dirty[rows] = self._has_history[rows] = True

    def rename(self, rows: Ints, sids: Sequence[bytes], messages: Messages) -> None:
        """Put messages with other sids into rows; they are to be written again.

        Where the new sid is here already, that message stays, and the row is only forgotten.
        """
        as_bytes(self.rows)[rows] = as_bytes(messages)
        for row, sid in zip(rows.tolist(), sids, strict=True):
            before = self._sids[row]
            if self._index.get(before) == row:
                del self._index[before]
            history = self.histories.pop(before, None)
            is_new = self._index.setdefault(sid, row) == row
            # No message has an empty sid.
            self._sids[row] = sid if is_new else b""
            if history is not None and is_new:
                self.histories[sid] = history
            self._is_dirty[row] = is_new
            self._has_history[row] &= is_new

    def gather(self, rows: Ints) -> Messages:
        """A copy of the messages in these rows."""
        return gather(self.rows, rows)

    def take_dirty(self) -> MessageRows:
        """Copy the messages that changed since the last call and mark them clean."""
        rows = np.flatnonzero(self._is_dirty[: len(self)])
        self._is_dirty[rows] = False
        sids = [self._sids[row] for row in rows.tolist()]
        histories = {
            place: list(self.histories[sids[place]].entries)
            for place in np.flatnonzero(self._has_history[rows]).tolist()
        }
        return MessageRows(sids, self.gather(rows), histories)

    def evict(self, keep: int) -> None:
        """Forget the oldest messages once there are more than `keep`; half of those remain.

        Called when all but the dirty ones are durable; those stay whatever their number.
        """
        count = len(self)
        if count <= keep:
            return
        stays = self._is_dirty[:count].copy()
        stays[count - keep // 2 :] = True
        left = int(np.count_nonzero(stays))
        as_bytes(self.rows)[:left] = as_bytes(self.gather(np.flatnonzero(stays)))
        for flags in (self._is_dirty, self._has_history):
            flags[:left] = flags[:count][stays]
            flags[left:] = False
        self._sids = list(compress(self._sids, stays.tolist()))
        self._index = dict(zip(self._sids, range(left), strict=True))
        if self.histories:
            index = self._index
            self.histories = {sid: kept for sid, kept in self.histories.items() if sid in index}

    def _grow(self) -> None:
        size = len(self.rows)
        rows = np.zeros(2 * size, MESSAGE)
        as_bytes(rows)[:size] = as_bytes(self.rows)
        self.rows = rows
        self._is_dirty = np.concatenate([self._is_dirty, np.zeros(size, np.bool_)])
        self._has_history = np.concatenate([self._has_history, np.zeros(size, np.bool_)])
