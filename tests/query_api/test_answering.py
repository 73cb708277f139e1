"""Answers about the system are computed one after the other, those about users beside them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from query_api.answering import _keep
from query_api.backend import Backend
from query_api.cache import AnswerCache
from query_api.errors import UnavailableError
from query_api.freshness import Freshness
from query_api.metrics import Metrics
from query_api.stamps import Reading
from schemas.api.health import Health


class Scene:
    """A backend without tables, and how many answers are being computed."""

    def __init__(self) -> None:
        self.took: list[float] = []
        stamps = SimpleNamespace(of_user=self._reading, of_system=self._reading)
        stamps.took = self.took.append
        settings = SimpleNamespace(query_max_seconds=1)
        metrics = Metrics()
        parts = {"stamps": stamps, "cache": AnswerCache(0, metrics), "settings": settings}
        self.backend = cast(
            Backend, SimpleNamespace(**parts, system_turn=asyncio.Lock(), metrics=metrics)
        )
        self.settings = settings
        self.now = self.most = 0

    async def _reading(self, *_: int) -> Reading:
        return Reading(Freshness(None), ())

    async def _make(self, *_: Any) -> Health:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.01)
        self.now -= 1
        return Health()

    async def ask(self, user_id: int | None, *paths: str) -> None:
        """Ask questions about a user, or the system (None), at the same time."""
        names = [(path, b"") for path in paths]
        await asyncio.gather(
            *(_keep(self.backend, name, user_id, 900.0, self._make) for name in names)
        )


def test_answers_about_the_system_wait_for_each_other_and_nobody_else_does() -> None:
    async def story() -> None:
        scene = Scene()
        await scene.ask(None, "a", "b", "c")
        assert scene.most == 1
        assert len(scene.took) == 3
        await scene.ask(7, "a", "b", "c")
        assert scene.most == 3
        assert len(scene.took) == 3

    asyncio.run(story())


def test_nobody_waits_longer_for_his_turn_than_a_query_may_take() -> None:
    async def story() -> None:
        scene = Scene()
        scene.settings.query_max_seconds = 0.025
        with pytest.raises(UnavailableError, match="about the system"):
            await scene.ask(None, *"abcdef")
        await asyncio.sleep(0.1)
        await scene.ask(None, "g")  # and the turn is free again

    asyncio.run(story())
