"""Removes erased rows from ClickHouse: first their stubs are written, then the rows are deleted.

Every step may be made again, so an erasure that was interrupted is simply begun anew. Rows that a
frozen worker writes late are found by the same question and go the same way.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client

from schemas.native import Block
from schemas.rows import (
    ERASURES,
    ORPHANS,
    PHONES_SEEN,
    USAGE_LOG,
    USER_1D,
    USER_15M,
    USER_TABLES,
    USER_TOTALS_15M,
    WRITING,
)
from streams.clickhouse import Store
from streams.core.erasure import StubOf, stubs_of
from streams.erasures import DONE, REQUESTED, TAKEN_UP, ErasureTable, Step
from streams.patience import PatientClient
from streams.rows import MESSAGE_COLUMNS, messages_of, usage_block

_PAGE_ROWS = 20_000
_STEPS_AT_ONCE = 40

_TABLES = {
    USAGE_LOG: "first_position",
    USER_15M: "version",
    USER_TOTALS_15M: "version",
    USER_1D: "version",
    PHONES_SEEN: "first_position",
    ORPHANS: "position",
}
"""Of each table with rows of users: which column says where in the log a row lies."""


class Removal:
    """Works through the erasures of some sources, over a client of its own."""

    def __init__(self, connect: Callable[[], Client], stub_of: StubOf) -> None:
        self._client = PatientClient(connect)
        self._table = ErasureTable(connect)
        self._stub_of = stub_of

    def run(self, is_mine: Callable[[int], bool], abandoned: threading.Event) -> int:
        """Remove what is left of users in the sources that are mine; how many rows that were.

        Erasures that are taken up are done afterwards. Raises AbandonedError.
        """
        steps = [
            step
            for step in self._table.newest(abandoned).values()
            if step.step != REQUESTED and is_mine(step.source)
        ]
        if not steps:
            return 0
        left = {table: self._left(table, abandoned) for table in _TABLES}
        places = {place for counts in left.values() for place in counts}
        steps = [s for s in steps if s.step == TAKEN_UP or (s.user_id, s.source) in places]
        for first in range(0, len(steps), _STEPS_AT_ONCE):
            self._remove(steps[first : first + _STEPS_AT_ONCE], left, abandoned)
        return sum(left[table][s.user_id, s.source] for table in left for s in steps)

    def _remove(
        self,
        steps: Sequence[Step],
        left: dict[str, Counter[tuple[int, int]]],
        abandoned: threading.Event,
    ) -> None:
        counted = [_counted(step, left) for step in steps]
        # What was there is known before it goes: the count of an erasure that is begun anew holds.
        self._table.write([s for s in counted if s.step == TAKEN_UP], abandoned)
        for condition in _conditions(steps, _TABLES[USAGE_LOG]):
            self._copy(condition, abandoned)
        for table, column in _TABLES.items():
            places = left[table]
            some = [s for s in steps if s.step == TAKEN_UP or places[s.user_id, s.source]]
            where = " OR ".join(_conditions(some, column))
            if where:
                query = f"ALTER TABLE {table} DELETE WHERE {where} SETTINGS mutations_sync = 2"
                self._client.run(f"deleting from {table}", _command(query), abandoned)
        done = [step.next(DONE) for step in counted if step.step == TAKEN_UP]
        self._table.write(done, abandoned)

    def _left(self, table: str, abandoned: threading.Event) -> Counter[tuple[int, int]]:
        """How many erased rows a table still has, by user and source."""
        query = (
            f"SELECT cut.user_id, cut.source, count() FROM"
            f" (SELECT user_id, source, {_TABLES[table]} AS place FROM {table}"
            f" WHERE user_id IN (SELECT user_id FROM {ERASURES})) AS rows"
            " INNER JOIN (SELECT user_id, source, argMax(position, revision) AS position"
            f" FROM {ERASURES} GROUP BY user_id, source"
            f" HAVING argMax(step, revision) != '{REQUESTED}') AS cut"
            " ON cut.user_id = rows.user_id AND cut.source = rows.source"
            " WHERE rows.place < cut.position GROUP BY cut.user_id, cut.source"
        )
        rows = self._client.run(f"reading {table}", lambda c: c.query(query), abandoned).result_rows
        return Counter({(user, source): count for user, source, count in rows})

    def _copy(self, condition: str, abandoned: threading.Event) -> None:
        """Write stubs of the messages of a condition, a page at a time."""
        at_ms, sid = 0, ""
        while True:
            page = (
                f"SELECT {MESSAGE_COLUMNS}, source FROM {USAGE_LOG} FINAL WHERE ({condition})"
                " AND (toUnixTimestamp64Milli(occurred_at), message_sid)"
                " > ({at_ms:Int64}, {sid:String})"
                f" ORDER BY occurred_at, message_sid LIMIT {_PAGE_ROWS}"
            )
            asked = {"at_ms": at_ms, "sid": sid}
            client = self._client.run("connecting", lambda client: client, abandoned)
            blocks = Store(client, abandoned).blocks(page, asked)
            found = messages_of([columns for *columns, _ in blocks])
            if found.sids:
                sources = np.concatenate([block[-1] for block in blocks])
                stubs = stubs_of(found, self._stub_of)
                block = usage_block(stubs.sids, stubs.messages, stubs.histories, sources)
                self._client.run("writing stubs", _insert(block), abandoned)
                at_ms, sid = int(found.messages["occurred_ms"][-1]), found.sids[-1].decode()
            if len(found.sids) < _PAGE_ROWS:
                return


def _counted(step: Step, left: dict[str, Counter[tuple[int, int]]]) -> Step:
    place = (step.user_id, step.source)
    cells = sum(left[table][place] for table in USER_TABLES)
    return step.next(step.step)._replace(
        messages=max(step.messages, left[USAGE_LOG][place]),
        receipts=max(step.receipts, left[ORPHANS][place]),
        cells=max(step.cells, cells),
    )


def _conditions(steps: Iterable[Step], place: str) -> Iterator[str]:
    """What selects the erased rows of each step; numbers only."""
    for step in steps:
        yield (
            f"(user_id = {int(step.user_id)} AND source = {int(step.source)}"
            f" AND {place} < {int(step.position)})"
        )


def _command(query: str) -> Callable[[Client], Any]:
    return lambda client: client.command(query)


def _insert(block: Block) -> Callable[[Client], Any]:
    content = block.to_bytes()
    return lambda client: client.raw_insert(
        USAGE_LOG, block.names, content, fmt="Native", settings=WRITING
    )
