"""What is begun before a user is known: used where it is of the same, else given up."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from query_api.begun import Begun
from query_api.freshness import Freshness
from query_api.kept import KeptNumbers
from query_api.known import Known
from query_api.questions import Columns, Rows
from query_api.tables import UserTables
from query_api.user_usage import UserUsage
from query_api.zones import DAY_S
from schemas.native_answers import Arrays

_USER = Known(7, None, None, None, {}, 96 * DAY_S, 100 * DAY_S)
_LOOKED_UP = replace(_USER, past=1, lately=1, stamp=((0, 20),), has_few=True)
_START, _END = 90 * DAY_S, 101 * DAY_S
_MICROS = 7_000


class Asker:
    """Gives each user who is asked about five failed messages to one number, once it may."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.cancelled = 0
        self.error: Exception | None = None

    async def ask(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Rows:
        raise AssertionError(question)

    async def columns(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Columns:
        assert question == "user_counterparties"
        self.asked.append((parameters["start"], parameters["end"]))
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error
        users = np.array(parameters["users"], np.uint64)
        part, one = np.zeros(len(users), np.uint8), np.ones(len(users), np.uint64)
        sums = Arrays(3 * np.cumsum(one.astype(np.int64)), np.array([_MICROS, 0, 5] * len(users)))
        owners = [users] if "owner" in sql else []
        return [*owners, part, one, np.array([b"US"] * len(users)), one, sums]


class Scene:
    """An asker, and what is begun with it."""

    def __init__(self) -> None:
        self.asker = Asker()
        self.tables = UserTables(self.asker)

    async def begin(self) -> Begun:
        asked = UserUsage(self.tables, KeptNumbers(0), _USER, Freshness(None))
        begun = asked.begin_savings(_START, _END)
        await asyncio.sleep(0.001)
        return begun

    async def micros(self, begun: Begun, user: Known = _LOOKED_UP, end: int = _END) -> int:
        """What the messages to numbers that always fail cost, with what was begun."""
        asked = UserUsage(self.tables, KeptNumbers(0), user, Freshness(None), begun)
        return int((await asked.savings(_START, end, 3, 10))["numbers_micros"])


def test_what_was_begun_is_not_read_twice() -> None:
    async def story() -> None:
        scene = Scene()
        begun = await scene.begin()
        assert await scene.micros(begun) == _MICROS
        assert scene.asker.asked == [(_START, _END)]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("user", "end"),
    [
        (_LOOKED_UP, _END - 900),
        (replace(_LOOKED_UP, user_id=8), _END),
        (replace(_LOOKED_UP, cut=95 * DAY_S), _END),
        (replace(_LOOKED_UP, today=99 * DAY_S), _END),
    ],
)
def test_of_something_else_it_is_read_anew(user: Known, end: int) -> None:
    async def story() -> None:
        scene = Scene()
        begun = await scene.begin()
        assert await scene.micros(begun, user, end) == _MICROS
        assert scene.asker.asked == [(_START, _END), (_START, end)]

    asyncio.run(story())


def test_who_still_needs_what_another_gave_up_reads_it_anew() -> None:
    async def story() -> None:
        scene = Scene()
        scene.asker.may_answer.clear()
        begun = await scene.begin()
        waiting = asyncio.create_task(scene.micros(begun))
        await asyncio.sleep(0.001)
        begun.end()
        await asyncio.sleep(0.001)
        assert scene.asker.cancelled == 1
        scene.asker.may_answer.set()
        assert await waiting == _MICROS

    asyncio.run(story())


def test_a_failure_reaches_who_waits_and_is_no_noise_otherwise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        scene = Scene()
        scene.asker.error = OSError("gone")
        await scene.begin()
        with pytest.raises(OSError, match="gone"):
            await scene.micros(await scene.begin())

    asyncio.run(story())
    gc.collect()
    assert not caplog.records
