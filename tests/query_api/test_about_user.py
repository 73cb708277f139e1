"""Savings are begun for a user who has to be looked up, used where they hold, and else given up."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import Request
from pydantic import BaseModel

from query_api.about_user import answer_about_user
from query_api.backend import Backend
from query_api.cache import AnswerCache
from query_api.kept import KeptNumbers
from query_api.metrics import Metrics
from query_api.parameters import RangeParameters
from query_api.questions import Columns, Rows
from query_api.stamps import Stamps
from query_api.tables import UserTables
from query_api.zones import DAY_S

_NOW = 20_000 * DAY_S + 5_000.0
_USER = 7


class Answer(BaseModel):
    """What was found, and the times that every answer has."""

    numbers: int
    generated_at: None = None
    data_as_of: None = None


class Scene:
    """Tables of one source, and a backend that answers from them; `looked_up` runs as soon as the
    user is looked up."""

    def __init__(self) -> None:
        self.progress, self.version = 50, 20
        self.erased: Rows = []
        self.asked: list[str] = []
        self.cancelled = 0
        self.is_slow = False
        self.is_shared = self.is_warm = self.is_changed = False
        self.looked_up: Any = lambda: None
        self.now = _NOW

    async def ask(self, question: str, sql: str, parameters: Any) -> Rows:
        await asyncio.sleep(0.001)
        if question == "source_progress":
            row = {"source": 1, "next_offset": self.progress, "partitions": 1}
            return [row | {"as_of_ms": 1000 * int(self.now), "erasures": str(len(self.erased))}]
        if question == "erased_users":
            return self.erased
        if question == "changed_users":
            row = {"user_id": _USER, "source": 1, "newest": 60, "oldest": int(self.now)}
            return [row] if self.is_changed else []
        assert question == "user_stamps"
        await asyncio.sleep(0.005)
        own = [{"user_id": _USER, "source": 1, "newest": self.version, "messages": 9}]
        self.looked_up()
        return own if _USER in parameters["users"] else []

    async def columns(self, question: str, sql: str, parameters: Any) -> Columns:
        self.asked.append(question)
        try:
            await asyncio.sleep(0.05 if self.is_slow else 0.001)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return []

    def backend(self) -> Backend:
        """The parts that such an answer needs."""
        cache = AnswerCache(0, Metrics(), cast(Any, _Nothing()) if self.is_shared else None)
        return cast(
            Backend,
            SimpleNamespace(
                clock=lambda: self.now,
                settings=SimpleNamespace(rollup_retention_days=400),
                warmer=SimpleNamespace(asked=lambda *_: None, knows=lambda *_: self.is_warm),
                stamps=Stamps(self, lambda: self.now),
                cache=cache,
                numbers=KeptNumbers(0),
                tables=UserTables(self),
            ),
        )


class _Nothing:
    """Shared answers, of which there are none."""

    async def get(self, key: object) -> None:
        return None

    async def put(self, key: object, kept: object) -> None:
        return None


async def _shape(asked: Any, user_id: int, period: Any, *_: Any) -> Answer:
    found = await asked.savings(period.start, period.end, 3, 10)
    return Answer(numbers=found["numbers"])


async def _answer(backend: Backend, *, has_savings: bool = True) -> int:
    scope = {"type": "http", "path": "/", "query_string": b"", "headers": []}
    parameters = RangeParameters(time_range="7d")
    response = await answer_about_user(
        backend, Request(scope), _USER, parameters, cast(Any, _shape), has_savings=has_savings
    )
    return response.status_code


async def _warm(scene: Scene) -> Backend:
    """A backend that knows the progress, but not the user."""
    backend = scene.backend()
    await backend.stamps.of_user(1)
    scene.asked.clear()
    return backend


@pytest.mark.parametrize(
    ("version", "progress", "times"),
    [(20, 50, 1), (20, 90, 1), (60, 50, 1), (60, 55, 2), (60, 90, 2)],
)
def test_it_is_read_again_where_more_has_become_whole(
    version: int, progress: int, times: int
) -> None:
    async def story() -> None:
        scene = Scene()
        backend = await _warm(scene)
        scene.version, scene.progress = version, progress
        scene.now += 0.6  # so that the progress is read before the user is looked up
        assert await _answer(backend) == 200
        assert scene.asked == ["user_counterparties"] * times

    asyncio.run(story())


def test_what_does_not_hold_is_given_up() -> None:
    async def story() -> None:
        scene = Scene()
        backend = await _warm(scene)
        scene.now += 0.6
        scene.is_slow = True
        scene.erased = [{"user_id": _USER, "source": 1, "position": 30, "changed_ms": 5}]
        assert await _answer(backend) == 200
        assert scene.asked == ["user_counterparties"] * 2
        assert scene.cancelled == 1

    asyncio.run(story())


def test_whoever_computes_ahead_takes_nothing_from_who_waits() -> None:
    async def story() -> None:
        scene = Scene()
        backend = await _warm(scene)
        again: list[Any] = []
        backend.warmer.asked = lambda *asked: again.append(asked[-1])  # type: ignore[method-assign]
        scene.is_slow = True
        asking = asyncio.create_task(_answer(backend))
        await asyncio.sleep(0.02)  # He is looked up and waits for what was begun.
        scene.progress, scene.is_changed = 90, True
        scene.now += 0.6
        await asyncio.gather(asking, again[0](scene.now))
        assert scene.cancelled == 0
        assert scene.asked == ["user_counterparties"] * 2

    asyncio.run(story())


def test_who_leaves_ends_it() -> None:
    async def story() -> None:
        scene = Scene()
        backend = await _warm(scene)
        scene.is_slow = True
        asking = asyncio.create_task(_answer(backend))
        await asyncio.sleep(0.003)
        assert scene.asked == ["user_counterparties"]
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.sleep(0.001)
        assert scene.cancelled == 1

    asyncio.run(story())


@pytest.mark.parametrize(
    ("is_shared", "is_warm", "has_savings"),
    [(True, False, True), (False, True, True), (False, False, False)],
)
def test_nothing_is_begun_that_may_not_be_needed(
    is_shared: bool, is_warm: bool, has_savings: bool
) -> None:
    async def story() -> None:
        scene = Scene()
        scene.is_shared, scene.is_warm = is_shared, is_warm
        backend = await _warm(scene)
        begun: list[str] = []
        scene.looked_up = lambda: begun.extend(scene.asked)
        assert await _answer(backend, has_savings=has_savings) == 200
        assert begun == []
        assert scene.asked == ["user_counterparties"]

    asyncio.run(story())
