"""Rows about the past: asked once, added up with the recent ones, none of another mark."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from query_api.past import PastRows, WithPast, past_end
from query_api.questions import Rows, with_whole_days
from query_api.zones import DAY_S

_NOW = 100 * DAY_S + 5_000
_CUT = 96 * DAY_S


class Asker:
    """Gives a row that says what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def ask(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Rows:
        self.asked.append((question, dict(parameters)))
        return [{"from": parameters["start"], "to": parameters["end"], "bins": [1, 2], "x": "US"}]

    def ranges(self) -> list[tuple[int, int]]:
        found = [(asked["start"], asked["end"]) for _, asked in self.asked]
        self.asked = []
        return found


def _ask(
    asker: Asker,
    kept: PastRows,
    question: str,
    start: int,
    end: int,
    *,
    past: object = 1,
    stamp: object = 1,
    **more: Any,
) -> Rows:
    with_past = WithPast(asker, kept, ("user", past), stamp, _CUT)
    return asyncio.run(with_past.ask(question, "", {"start": start, "end": end} | more))


def test_the_past_ends_at_midnight_before_the_72_hours_of_receipts() -> None:
    assert past_end(_NOW) == _CUT
    assert past_end(101 * DAY_S - 0.5) == _CUT
    assert _NOW - past_end(_NOW) > 72 * 3600


def test_the_past_is_asked_once_and_the_rest_every_time() -> None:
    asker, kept = Asker(), PastRows(10_000)
    start, end = 10 * DAY_S + 900, 100 * DAY_S + 5_400
    first = _ask(asker, kept, "user_trend", start, end, overdue_before=97 * DAY_S)
    assert [row["from"] for row in first] == [start, _CUT]
    assert asker.asked[0][1]["overdue_before"] == _CUT
    assert asker.asked[1][1]["overdue_before"] == 97 * DAY_S
    assert asker.ranges() == [(start, _CUT), (_CUT, end)]
    # A quarter of an hour later.
    later = _ask(asker, kept, "user_trend", start, end + 900, overdue_before=97 * DAY_S + 900)
    assert asker.ranges() == [(_CUT, end + 900)]
    assert later[0] == first[0]
    _ask(asker, kept, "user_trend", start, end, past=2, overdue_before=97 * DAY_S)
    assert asker.ranges() == [(start, _CUT), (_CUT, end)]


def test_whole_days_are_of_each_part() -> None:
    asker, kept = Asker(), PastRows(10_000)
    start, end = 10 * DAY_S + 900, 100 * DAY_S + 5_400
    _ask(asker, kept, "user_breakdown", start, end, **_days(start, end))
    assert [asked["days_start"] for _, asked in asker.asked] == [11 * DAY_S, _CUT]
    assert [asked["days_end"] for _, asked in asker.asked] == [_CUT, 100 * DAY_S]


def _days(start: int, end: int) -> dict[str, int]:
    return {n: v for n, v in with_whole_days(start, end).items() if n.startswith("days")}


def test_recent_rows_of_usage_and_costs_are_asked_once_for_a_stamp() -> None:
    asker, kept = Asker(), PastRows(10_000)
    start, end = 99 * DAY_S, 100 * DAY_S + 5_400
    for _ in range(2):
        _ask(asker, kept, "user_breakdown", start, end)
    assert asker.ranges() == [(start, end)]
    _ask(asker, kept, "user_breakdown", start, end, stamp=2)
    assert asker.ranges() == [(start, end)]


def test_the_end_of_a_range_in_the_past_may_move() -> None:
    asker, kept = Asker(), PastRows(10_000)
    start, end = 10 * DAY_S, 40 * DAY_S + 9_000
    _ask(asker, kept, "user_total", start, end)
    assert asker.ranges() == [(start, 40 * DAY_S), (40 * DAY_S, end)]
    _ask(asker, kept, "user_total", start, end + 900)
    assert asker.ranges() == [(40 * DAY_S, end + 900)]
    _ask(asker, kept, "user_total", start, 40 * DAY_S)
    assert asker.ranges() == []


def test_what_does_not_add_up_stays_whole() -> None:
    asker, kept = Asker(), PastRows(10_000)
    start, end = 10 * DAY_S, 100 * DAY_S
    for _ in range(2):
        _ask(asker, kept, "user_savings", start, end)
        # The tables are days behind: some of the past may still be in flight.
        _ask(asker, kept, "user_trend", start, end, overdue_before=_CUT - 900)
    assert asker.ranges() == [(start, end)] * 4


def test_memory_is_bounded_and_0_keeps_nothing() -> None:
    asker, kept = Asker(), PastRows(1_500)
    for start in (1, 2, 3):
        _ask(asker, kept, "user_total", start * DAY_S, 9 * DAY_S)
    asker.ranges()
    _ask(asker, kept, "user_total", 3 * DAY_S, 9 * DAY_S)
    assert asker.ranges() == []
    _ask(asker, kept, "user_total", 1 * DAY_S, 9 * DAY_S)
    assert asker.ranges() == [(DAY_S, 9 * DAY_S)]
    nothing = PastRows(0)
    for _ in range(2):
        _ask(asker, nothing, "user_total", DAY_S, 9 * DAY_S)
    assert len(asker.ranges()) == 2
