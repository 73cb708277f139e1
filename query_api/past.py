"""Rows about a user's past, kept until a late event changes it.

Most of what a question reads is days old and stays as it is. A range of time is cut in two at a
UTC midnight some days ago: the rows before it are kept, those after it are asked for again. Whoever
shapes the rows adds up what the two give, so this is for questions whose rows may stand twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any

import msgspec

from query_api.questions import Asker, Rows, with_whole_days
from query_api.zones import DAY_S

_RECENT_DAYS = 4
"""More than the 72 h after which a message in flight is unknown: so in the past all of them are."""
_ADDITIVE = frozenset({"user_trend", "user_breakdown", "user_total", "user_hourly_cost"})
_SHARED = frozenset({"user_breakdown", "user_total"})
"""Of these the recent rows are kept, too: usage and costs both ask them."""
_ENTRY_BYTES = 600

Part = dict[str, Any]


def past_end(now: float) -> int:
    """The UTC midnight before which a user's past lies, epoch seconds."""
    return int(now) // DAY_S * DAY_S - _RECENT_DAYS * DAY_S


class PastRows:
    """The most recently used rows, packed, up to `max_bytes`; 0 keeps none."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable) -> Rows | None:
        """The rows of a key, None where they are not kept."""
        packed = self._kept.get(key)
        if packed is None:
            return None
        self._kept.move_to_end(key)
        names, rows = msgspec.msgpack.decode(packed)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def put(self, key: Hashable, rows: Rows) -> None:
        """Keep the rows of a key."""
        names = list(rows[0]) if rows else []
        packed = msgspec.msgpack.encode((names, [list(row.values()) for row in rows]))
        size = len(packed) + _ENTRY_BYTES
        if size > self._max_bytes or key in self._kept:
            return
        self._kept[key] = packed
        self._bytes += size
        while self._bytes > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest) + _ENTRY_BYTES


class WithPast:
    """Asks about one user, and asks less where the past is kept.

    `past` changes when anything before `cut` did, `stamp` when anything of the user's did.
    """

    def __init__(
        self, asker: Asker, kept: PastRows, past: Hashable, stamp: Hashable, cut: int
    ) -> None:
        self._asker = asker
        self._kept = kept
        self._past = past
        self._stamp = stamp
        self._cut = cut

    async def ask(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Rows:
        """The rows that `sql` gives, in parts that add up where the question allows it."""
        parts = _parts(parameters, self._cut) if question in _ADDITIVE else None
        if parts is None:
            return await self._asker.ask(question, sql, parameters)
        rows: list[Mapping[str, Any]] = []
        for part in parts:
            is_past = part["end"] <= self._cut
            if is_past or question in _SHARED:
                mark = self._past if is_past else self._stamp
                rows += await self._ask_once(question, sql, part, mark)
            else:
                rows += await self._asker.ask(question, sql, part)
        return rows

    async def _ask_once(self, question: str, sql: str, part: Part, mark: Hashable) -> Rows:
        values = (tuple(value) if isinstance(value, list) else value for value in part.values())
        key = (question, mark, *values)
        rows = self._kept.get(key)
        if rows is None:
            rows = await self._asker.ask(question, sql, part)
            self._kept.put(key, rows)
        return rows


def _parts(parameters: Mapping[str, Any], cut: int) -> list[Part] | None:
    """The parameters of the parts of a range; None where it has to stay whole."""
    start, end = parameters["start"], parameters["end"]
    overdue_before = parameters.get("overdue_before", 0)
    if 0 < overdue_before < cut:
        return None  # The tables are days behind.
    # A range that ends in the past, as the previous period does, moves on with each quarter.
    at = min(cut, end // DAY_S * DAY_S)
    if at <= start:
        return [dict(parameters)]
    return [_part(parameters, start, at, cut), _part(parameters, at, end, cut)][: 1 + (at < end)]


def _part(parameters: Mapping[str, Any], start: int, end: int, cut: int) -> Part:
    part = dict(parameters) | {"start": start, "end": end}
    if "days_start" in parameters:
        part |= with_whole_days(start, end)
    if end <= cut and parameters.get("overdue_before"):
        part["overdue_before"] = cut
    return part
