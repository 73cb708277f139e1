"""The table of erasures: at which position of each source a user was erased, and what came of it.

Written before an erasure has any effect, and read whenever a partition is assigned, so that a
replay, and whoever takes a partition over, cuts where the first one did.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from schemas.rows import ERASURES, PROGRESS
from streams.patience import PatientClient

REQUESTED, TAKEN_UP, DONE = "requested", "taken_up", "done"


class Step(NamedTuple):
    """How far an erasure has come in one source: a row of `erasures`.

    `position`: rows of before are erased. `messages`, `receipts` and `cells` were removed.
    """

    user_id: int
    source: int
    receipt_id: str
    revision: int
    position: int
    step: str
    messages: int = 0
    receipts: int = 0
    cells: int = 0

    def next(self, step: str) -> Step:
        """The step after this one."""
        return self._replace(step=step, revision=self.revision + 1)


Steps = dict[tuple[int, int], Step]
"""The newest step by user and source."""

_NEWEST = (
    "SELECT user_id, source, argMax(receipt_id, revision), max(erasures.revision),"
    " argMax(position, revision), toString(argMax(step, revision)), argMax(messages, revision),"
    f" argMax(receipts, revision), argMax(cells, revision) FROM {ERASURES}"
    " GROUP BY user_id, source"
)


class ErasureTable:
    """Reads and writes steps over a client of its caller's."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._client = PatientClient(connect)

    def newest(self, abandoned: threading.Event) -> Steps:
        """The newest step of every user and source."""
        rows = self._client.run("reading erasures", lambda client: client.query(_NEWEST), abandoned)
        steps = [Step(*row) for row in rows.result_rows]
        return {(step.user_id, step.source): step for step in steps}

    def sources(self, abandoned: threading.Event) -> set[int]:
        """Every source that anything was ever written from."""
        query = f"SELECT DISTINCT source FROM {PROGRESS}"
        rows = self._client.run("reading progress", lambda client: client.query(query), abandoned)
        return {row[0] for row in rows.result_rows}

    def write(self, steps: Sequence[Step], abandoned: threading.Event) -> None:
        """Write steps; returns when they are durable. Raises AbandonedError."""
        rows = [list(step) for step in steps]
        if rows:
            self._client.run(
                "writing erasures",
                lambda client: client.insert(ERASURES, rows, column_names=Step._fields),
                abandoned,
            )
