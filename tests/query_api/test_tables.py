"""Many users in one query, and how little is asked when something or nothing changed."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from query_api import cells
from query_api.freshness import OVERDUE_S, Freshness
from query_api.kept import KeptNumbers
from query_api.known import Known
from query_api.questions import Columns, ErasedBefore, Rows
from query_api.tables import UserTables
from query_api.user_usage import UserUsage
from query_api.zones import DAY_S, FOREVER, clock_over
from schemas.native_answers import Arrays

_CUT, _TODAY = 96 * DAY_S, 100 * DAY_S
_FIRST_MIDNIGHT = 40 * DAY_S
_LATE = (_CUT, FOREVER)
_MOST = 32
_COUNTERS = 10


class Asker:
    """Gives each user who is asked about one cell, of as many messages as his number says."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.cancelled = 0
        self.error: Exception | None = None
        self.spans: dict[str, list[tuple[int, int]]] = {}

    async def ask(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Rows:
        raise AssertionError(question)

    async def columns(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Columns:
        await self._ask(question, parameters)
        if question != "user_cells":
            return []
        users = np.array(_whose(parameters), np.uint64)
        one = np.ones(len(users), np.int8)
        key = (np.full(len(users), _CUT), one, one, np.array([b"US"] * len(users)))
        owners = [users] if "owner" in sql else []
        counters = (users, *[np.zeros(len(users), np.int64)] * (_COUNTERS - 1))
        none = Arrays(np.zeros(len(users), np.int64), np.empty(0, np.int64))
        return [*owners, *key, *counters, *[none] * 5]

    async def _ask(self, question: str, parameters: Mapping[str, Any]) -> None:
        self.asked.append((question, dict(parameters)))
        try:
            await self.answering.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error

    def users(self) -> list[list[int]]:
        """Whose cells were asked for, by query."""
        return [sorted(_whose(asked)) for name, asked in self.asked if name == "user_cells"]

    def names(self) -> list[str]:
        """What was asked since this was called last; `spans` says from and up to when."""
        named = [
            ("user_days" if asked.get("cells") == "user_usage_1d" else name, asked)
            for name, asked in self.asked
        ]
        self.spans = {name: _spans(asked) for name, asked in named}
        self.asked = []
        return sorted(name for name, _ in named)


def _whose(asked: Mapping[str, Any]) -> list[int]:
    return [asked["user"]] if "user" in asked else asked["users"]


def _spans(asked: Mapping[str, Any]) -> list[tuple[int, int]]:
    spans = [(asked["start"], asked["end"]), (asked.get("also_start", 0), asked.get("also_end", 0))]
    return [span for span in spans if span != (0, 0)]


def _known(
    user_id: int,
    *,
    latest: Hashable = 0,
    lately: Hashable = 0,
    past: Hashable = 0,
    erased_before: ErasedBefore | None = None,
) -> Known:
    return Known(user_id, past, lately, latest, erased_before or {}, _CUT, _TODAY)


def _messages(found: cells.Cells) -> list[int]:
    return [int(messages) for messages in found.column("messages")]


def test_who_asks_while_a_query_runs_shares_the_next_one() -> None:
    async def story() -> None:
        asker = Asker()
        tables = UserTables(asker)
        asker.answering.clear()
        asking = []
        for user in range(1, 6):
            asking.append(asyncio.create_task(tables.cells(_known(user), _LATE)))
            await asyncio.sleep(0.001)
        asker.answering.set()
        found = await asyncio.gather(*asking)
        assert [_messages(own) for own in found] == [[user] for user in range(1, 6)]
        assert asker.users() == [[1], [2, 3, 4, 5]]

    asyncio.run(story())


def test_a_query_is_about_a_bounded_number_of_users() -> None:
    async def story() -> None:
        asker = Asker()
        tables = UserTables(asker)
        users = range(1, 2 * _MOST + 2)
        found = await asyncio.gather(*(tables.cells(_known(user), _LATE) for user in users))
        assert [_messages(own) for own in found] == [[user] for user in users]
        assert [len(asked) for asked in asker.users()] == [_MOST, _MOST, 1]

    asyncio.run(story())


def test_users_with_another_span_are_asked_for_apart() -> None:
    async def story() -> None:
        asker = Asker()
        tables = UserTables(asker)
        await asyncio.gather(
            tables.cells(_known(1), _LATE), tables.cells(_known(2), (_TODAY, FOREVER))
        )
        assert sorted(asker.users()) == [[1], [2]]

    asyncio.run(story())


def test_who_knows_of_less_that_is_erased_takes_nobodys_place() -> None:
    async def story() -> None:
        asker = Asker()
        tables = UserTables(asker)
        asker.answering.clear()
        first = asyncio.create_task(tables.cells(_known(1), _LATE))
        await asyncio.sleep(0.001)
        later = [
            asyncio.create_task(tables.cells(_known(2, erased_before=erased), _LATE))
            for erased in ({0: 5}, {}, {})
        ]
        await asyncio.sleep(0.001)
        asker.answering.set()
        await asyncio.gather(first, *later)
        erased = [asked.get("erased_before") for _, asked in asker.asked]
        assert erased == [None, "{2:{0:5}}", None]

    asyncio.run(story())


def test_the_last_one_who_leaves_ends_the_queries() -> None:
    async def story() -> None:
        asker = Asker()
        tables = UserTables(asker)
        asker.answering.clear()
        both = [asyncio.create_task(tables.cells(_known(user), _LATE)) for user in (1, 2)]
        await asyncio.sleep(0.001)
        both[0].cancel()
        await asyncio.sleep(0.001)
        assert asker.cancelled == 0
        both[1].cancel()
        await asyncio.sleep(0.001)
        assert asker.cancelled == 1
        asker.answering.set()
        assert _messages(await tables.cells(_known(1), _LATE)) == [1]

    asyncio.run(story())


def test_a_failure_reaches_all_who_wait_and_nobody_later() -> None:
    async def story() -> None:
        asker = Asker()
        tables = UserTables(asker)
        asker.error = OSError("gone")
        found = await asyncio.gather(
            *(tables.cells(_known(user), _LATE) for user in (1, 2)), return_exceptions=True
        )
        assert [str(error) for error in found] == ["gone", "gone"]
        asker.error = None
        assert _messages(await tables.cells(_known(1), _LATE)) == [1]

    asyncio.run(story())


class Scene:
    """A user whose usage is asked for again and again."""

    def __init__(self) -> None:
        self.asker = Asker()
        self.kept = KeptNumbers(100_000)
        self.tables = UserTables(self.asker)

    def ask(
        self, end: int, as_of: int = _TODAY, *, with_times: bool = True, **known: Any
    ) -> list[str]:
        """Which questions totals and savings up to `end` asked."""

        async def story() -> None:
            user, fresh = _known(7, **known), Freshness(as_of * 1000)
            asked = UserUsage(self.tables, self.kept, user, fresh)
            clock = clock_over(ZoneInfo("Europe/Berlin"), 40 * DAY_S - 3_600, end)
            bounds = (clock.start, end - 30 * DAY_S)
            await asked.totals(clock, bounds, clock.start, end, with_times=with_times)
            await asked.savings(clock.start, end, 3, 10)

        asyncio.run(story())
        return self.asker.names()


_RECENT = ["user_cells", "user_counterparties"]
_PAST = ["user_days", "user_slots"]
_START, _END = _FIRST_MIDNIGHT - 3_600, _TODAY + 5_400
_EDGE = (_START, _FIRST_MIDNIGHT)
"""The hour before the whole days."""


def test_everything_new_is_read_at_once() -> None:
    scene = Scene()
    assert scene.ask(_END) == sorted([*_RECENT, *_PAST])
    assert scene.asker.spans["user_cells"] == [_EDGE, _LATE]
    assert scene.asker.spans["user_days"] == [(_FIRST_MIDNIGHT, _CUT)]
    assert scene.asker.spans["user_counterparties"] == [(_START, _END)]
    assert scene.ask(_END) == []


def test_a_new_message_costs_what_is_of_today() -> None:
    scene = Scene()
    scene.ask(_END)
    assert scene.ask(_END, latest=1) == _RECENT
    assert scene.asker.spans == {
        "user_cells": [(_TODAY, FOREVER)],
        "user_counterparties": [(_TODAY, _END)],
    }
    assert scene.ask(_END, latest=1) == []


def test_a_new_quarter_costs_next_to_nothing() -> None:
    scene = Scene()
    scene.ask(_END)
    scene.ask(_END, latest=1)
    assert scene.ask(_END + 900, latest=1) == ["user_counterparties"]
    assert scene.asker.spans == {"user_counterparties": [(_TODAY, _END + 900)]}


def test_what_changes_an_earlier_day_costs_the_days_that_are_not_past() -> None:
    scene = Scene()
    scene.ask(_END)
    assert scene.ask(_END, latest=1, lately=1) == _RECENT
    assert scene.asker.spans == {
        "user_cells": [_LATE],
        "user_counterparties": [(_CUT, _END)],
    }
    assert scene.ask(_END, latest=2, lately=2, past=1) == sorted([*_RECENT, *_PAST])


def test_sums_without_times_are_not_taken_for_those_with_them() -> None:
    scene = Scene()
    assert "user_days" in scene.ask(_END, with_times=False)
    assert scene.ask(_END, with_times=False) == []
    assert scene.ask(_END) == ["user_cells", "user_days"]
    assert scene.asker.spans["user_cells"] == [_EDGE]
    assert scene.ask(_END) == []
    scene = Scene()
    scene.ask(_END)
    assert scene.ask(_END, with_times=False) == []


def test_a_late_event_or_an_erasure_makes_another_past() -> None:
    scene = Scene()
    every = sorted([*_RECENT, *_PAST])
    assert scene.ask(_CUT) == every
    assert scene.ask(_CUT) == []
    assert scene.ask(_CUT, past=1) == every
    assert scene.ask(_CUT, past=1, erased_before={0: 5}) == every


@pytest.mark.parametrize(
    ("behind_s", "cut"), [(0, _CUT), (900, _CUT - DAY_S), (3 * DAY_S, _CUT - 3 * DAY_S)]
)
def test_where_the_tables_are_days_behind_less_is_past(behind_s: int, cut: int) -> None:
    scene = Scene()
    scene.ask(_END, as_of=_CUT + OVERDUE_S - behind_s)
    assert scene.asker.spans["user_cells"] == [_EDGE, (cut, FOREVER)]
    assert scene.asker.spans["user_slots"][0][1] == scene.asker.spans["user_days"][0][1] == cut


@pytest.mark.parametrize("days", [(0, 1), (1, 9), (0, 9)])
def test_a_day_that_comes_into_another_part_of_time_is_read_again(days: tuple[int, int]) -> None:
    """Its marks may be the same number: today's is of anything, the others of what lay there."""
    asker, kept = Asker(), KeptNumbers(100_000)

    async def savings_after(days: int) -> list[str]:
        user = _known(7, latest=1, lately=1, past=1)
        user = replace(user, cut=_CUT + days * DAY_S, today=_TODAY + days * DAY_S)
        asked = UserUsage(UserTables(asker), kept, user, Freshness(None))
        await asked.savings(_TODAY, _TODAY + DAY_S, 3, 10)
        return asker.names()

    for after in days:
        assert asyncio.run(savings_after(after)) == ["user_counterparties"]
        assert asyncio.run(savings_after(after)) == []
