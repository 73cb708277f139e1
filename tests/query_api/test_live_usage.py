"""What answers about a user are made from, against the real engine: the same rows wherever the
range is cut into parts.

The cases lie in `usage/{trend,costs,total,breakdown,savings}/*.yaml`, in the form of `test_sql`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from clickhouse_connect.driver.client import Client

from query_api import slots
from query_api.clickhouse import columns_of
from query_api.freshness import OVERDUE_S, Freshness
from query_api.kept import KeptNumbers
from query_api.known import Known
from query_api.questions import Columns, Row, Rows, with_whole_days
from query_api.tables import UserTables
from query_api.user_usage import UserUsage
from query_api.zones import DAY_S, LocalClock
from tests.query_api.test_sql import expected, insert, value, without_zeros

pytestmark = pytest.mark.live

_FILES = sorted((Path(__file__).parent / "usage").glob("*/*.yaml"))
_RHYTHM = ("weekday", "hour", "messages")


class Asker:
    """Asks a client, as the pool does; remembers what."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.asked: list[str] = []

    async def ask(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Rows:
        self.asked.append(question)
        return list(self._client.query(sql, parameters=dict(parameters)).named_results())

    async def columns(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Columns:
        self.asked.append(question)
        return columns_of(self._client, sql, parameters=dict(parameters))


@pytest.mark.parametrize("path", _FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_case(path: Path, lasting_client: Client) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    for table, rows in case.get("rows", {}).items():
        insert(lasting_client, table, rows)
    parameters = {name: value(given) for name, given in case["parameters"].items()}
    wanted = [expected(row) for row in case["expect"]]
    cuts = list(_cuts(path.parent.name, parameters, case.get("rows", {})))
    for (cut, today), with_times in product(cuts, (True, False)):
        asker, kept = Asker(lasting_client), KeptNumbers(1_000_000)
        shown = list if with_times else _without_times
        for user in _known(parameters, cut, today):
            asked = _found(path.parent.name, asker, kept, parameters, user, with_times)
            found = [without_zeros(row) for row in asyncio.run(asked)]
            assert shown(found) == shown(wanted), (cut, today, user, with_times)
        is_asked = {"user_cells", "user_counterparties"} & set(asker.asked)
        assert is_asked or cut >= parameters["end"]


def _known(parameters: dict[str, Any], cut: int, today: int) -> Iterator[Known]:
    """The user when nothing of him is kept, and when only what is of today has to be read."""
    erased = yaml.safe_load(parameters.get("erased_before", "{}").replace(":", ": "))
    for latest in range(2):
        yield Known(parameters["user_id"], 0, 0, latest, erased, cut, today)


def _cuts(kind: str, parameters: dict[str, Any], rows: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """Two midnights each: everything is of today, of the days before, past, or some is."""
    for cut in _midnights(kind, parameters, rows):
        for today in range(cut, -(-parameters["end"] // DAY_S) * DAY_S + 1, DAY_S):
            yield cut, today


def _midnights(kind: str, parameters: dict[str, Any], rows: dict[str, Any]) -> Iterator[int]:
    start, end = parameters["start"], parameters["end"]
    first, last = start // DAY_S * DAY_S, -(-end // DAY_S) * DAY_S
    if kind != "breakdown":
        yield from range(first, last + 1, DAY_S)
    elif "user_usage_1d" in rows:
        yield last
    elif with_whole_days(start, end)["days_start"] == end:
        yield from (first, last)
    else:
        yield first  # The case has no table of days for a past to be read from.


async def _found(
    kind: str,
    asker: Asker,
    kept: KeptNumbers,
    parameters: dict[str, Any],
    user: Known,
    with_times: bool,
) -> Rows:
    overdue_before = parameters.get("overdue_before", 0)
    fresh = Freshness((overdue_before + OVERDUE_S) * 1000 if overdue_before else None)
    asked = UserUsage(UserTables(asker), kept, user, fresh)
    start, end = parameters["start"], parameters["end"]
    if kind == "savings":
        return [await asked.savings(start, end, parameters["least"], parameters["page_rows"])]
    starts, offsets = parameters.get("clock_starts", [start]), parameters.get("clock_offsets", [0])
    clock = LocalClock(ZoneInfo("UTC"), start, end, tuple(starts), tuple(offsets))
    found, rows = await asked.totals(clock, (start,), start, end, with_times=with_times)
    if kind == "breakdown":
        return sorted(rows, key=lambda row: (row["direction"], row["message_type"], row["country"]))
    if kind == "costs":
        costs = slots.costs(found, clock, parameters["width"])
        pairs = zip(costs.starts.tolist(), costs.micros.tolist(), strict=True)
        return [{"slot": slot, "cost_micros": micros} for slot, micros in pairs]
    if kind == "total":
        inside = found.between(start, end)
        return [{name: int(inside.column(name).sum()) for name in ("messages", "cost_micros")}]
    trend = slots.trend(found, clock, parameters["width"], overdue_before)
    return [*trend, *(_rhythm_row(row) for row in slots.rhythm(found, clock))]


def _without_times(rows: Rows) -> list[Row]:
    times = {"processing_bins", "processing_counts"}
    return [{name: row[name] for name in row if name not in times} for row in rows]


def _rhythm_row(row: Row) -> Row:
    assert set(row) == set(_RHYTHM)
    return row
