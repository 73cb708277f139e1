"""Receipts whose message is not there yet: they wait, for a time that the log measures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from streams.core.history import Entry

WAIT_MS = 72 * 3_600_000
"""By log time: once the partition has records that much younger, the message will not come."""

_NUMBERS = {"phone_number", "counterparty"}


class Orphan(NamedTuple):
    """A receipt without its message; `source` is where it was read from, `key` and `value` its
    record for the dead letters, `is_gone` set when it waits no longer, `user_id` whose it is, as
    far as is known, else 0."""

    source: int
    sid: bytes
    entry: Entry
    record_ms: int
    key: bytes
    value: bytes
    is_gone: bool = False
    user_id: int = 0


def at_rest(orphan: Orphan) -> Orphan:
    """An orphan as it may be stored: without phone numbers, in its key or its value."""
    key = orphan.key if orphan.key.isdigit() else b""
    fields = msgspec.json.decode(orphan.value) if orphan.value else {}
    if not _NUMBERS & fields.keys():
        return orphan._replace(key=key)
    rest = {name: content for name, content in fields.items() if name not in _NUMBERS}
    return orphan._replace(key=key, value=msgspec.json.encode(rest))


class Orphans:
    """The orphans of one partition, the oldest first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[tuple[int, int], Orphan] = {}
        self._by_sid: dict[bytes, list[tuple[int, int]]] = {}
        self._changed: dict[tuple[int, int], Orphan] = {}
        self._written: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, orphan: Orphan, *, is_durable: bool = False) -> None:
        """Let an orphan wait; one that waits already stays as it is."""
        place = (orphan.source, orphan.entry.position)
        if place in self._waiting:
            return
        self._waiting[place] = orphan
        self._by_sid.setdefault(orphan.sid, []).append(place)
        if is_durable:
            self._written.add(place)
        else:
            self._changed[place] = orphan

    def sids(self, among: Iterable[bytes]) -> set[bytes]:
        """Those of these sids that have orphans."""
        return self._by_sid.keys() & among if self._by_sid else set()

    def take(self, sid: bytes, before: int, record_ms: int) -> list[Entry]:
        """The entries of a sid below a position, in order; they wait no longer.

        `record_ms` is the time of the record at that position: those for which it is too late
        stay, to expire.
        """
        taken = [
            place
            for place in self._by_sid.get(sid, [])
            if place[1] < before and self._waiting[place].record_ms >= record_ms - WAIT_MS
        ]
        return [self._end(place).entry for place in sorted(taken, key=lambda place: place[1])]

    def rename(self, before: bytes, after: bytes) -> None:
        """Let the orphans of a sid wait for another one."""
        places = self._by_sid.pop(before, [])
        for place in places:
            self._put(place, self._waiting[place]._replace(sid=after))
        if places:
            self._by_sid.setdefault(after, []).extend(places)

    def forget(self, is_of: Callable[[Orphan], bool], stub_of: Callable[[bytes], bytes]) -> int:
        """Take sid, key and value from those that are of somebody; they wait on. How many."""
        found = [orphan for orphan in self._waiting.values() if is_of(orphan)]
        for orphan in found:
            place = (orphan.source, orphan.entry.position)
            self._put(place, orphan._replace(key=b"", value=b"", user_id=0))
        for sid in {orphan.sid for orphan in found}:
            self.rename(sid, stub_of(sid))
        for place, orphan in self._changed.items():
            if orphan.is_gone and is_of(orphan):
                bare = orphan._replace(key=b"", value=b"", user_id=0)
                self._changed[place] = bare._replace(sid=stub_of(orphan.sid))
        return len(found)

    def expire(self, record_ms: int) -> list[Orphan]:
        """Those that have waited too long at this time of the log, or are too many."""
        gone: list[tuple[int, int]] = []
        for place, orphan in self._waiting.items():
            is_late = orphan.record_ms < record_ms - WAIT_MS
            if not is_late and len(self._waiting) - len(gone) <= self._limit:
                break
            gone.append(place)
        return [self._end(place) for place in gone]

    def take_changed(self) -> list[Orphan]:
        """What has to be written since the last call."""
        changed, self._changed = self._changed, {}
        for place, orphan in changed.items():
            if orphan.is_gone:
                self._written.discard(place)
            else:
                self._written.add(place)
        return list(changed.values())

    def _put(self, place: tuple[int, int], orphan: Orphan) -> None:
        self._waiting[place] = self._changed[place] = orphan

    def _end(self, place: tuple[int, int]) -> Orphan:
        orphan = self._waiting.pop(place)
        places = self._by_sid[orphan.sid]
        places.remove(place)
        if not places:
            del self._by_sid[orphan.sid]
        self._changed.pop(place, None)
        if place in self._written:
            self._changed[place] = orphan._replace(is_gone=True)
        return orphan
