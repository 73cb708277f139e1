"""Warming: what was asked a short while ago, once it changed, and the next quarter in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from query_api import warming
from query_api.warming import Warmer

_QUARTER = 1_000_000 * 900.0


class Scene:
    """A clock, users that changed, turns of ClickHouse, and what was computed as of when."""

    def __init__(self) -> None:
        self.now = _QUARTER + 100
        self.changed: set[int] = set()
        self.has_room = True
        self.computed: list[tuple[str, float]] = []
        self.warmer = Warmer(lambda: self.now, self._take, lambda: self.has_room)

    def _take(self) -> set[int]:
        changed, self.changed = self.changed, set()
        return changed

    def again(self, name: str) -> Callable[[float], Awaitable[None]]:
        async def compute(at: float) -> None:
            self.computed.append((name, at))
            if name == "broken":
                raise OSError("gone")

        return compute

    def ask(self, user_id: int | None, *names: str) -> None:
        for name in names:
            self.warmer.asked(user_id, name, self.again(name))

    def step(self) -> list[str]:
        """The names computed by one step."""
        self.computed = []
        asyncio.run(self.warmer.step())
        return [name for name, _ in self.computed]


def test_what_changed_is_computed_and_the_system_always() -> None:
    scene = Scene()
    scene.ask(None, "system")
    scene.ask(1, "usage of 1", "costs of 1")
    scene.ask(2, "usage of 2")
    assert scene.step() == ["system"]
    scene.changed = {1, 3}
    assert sorted(scene.step()) == ["costs of 1", "system", "usage of 1"]
    assert {at for _, at in scene.computed} == {scene.now}
    assert scene.step() == ["system"]


def test_the_system_comes_behind_users_and_one_question_at_a_time() -> None:
    scene = Scene()
    computing: list[str] = []

    async def compute(at: float) -> None:
        computing.append("begun")
        await asyncio.sleep(0.001)
        computing.append("done")

    for name in ("7d", "30d", "90d"):
        scene.warmer.asked(None, name, compute)
    scene.ask(1, "usage of 1")
    scene.changed = {1}
    assert scene.step() == ["usage of 1"]
    assert computing == ["begun", "done"] * 3


def test_a_long_pass_of_the_system_ends() -> None:
    scene = Scene()
    computed: list[str] = []

    def again(name: str) -> Callable[[float], Awaitable[None]]:
        async def compute(at: float) -> None:
            assert at == scene.now
            computed.append(name)
            scene.now += 0.2

        return compute

    for name in "abcd":
        scene.warmer.asked(None, name, again(name))
    scene.step()
    assert len(computed) == 2


def test_what_nobody_asks_any_more_is_forgotten() -> None:
    scene = Scene()
    scene.ask(None, "system")
    scene.ask(1, "usage of 1")
    scene.now += 10
    scene.ask(1, "usage of 1")
    scene.now += 10
    scene.changed = {1}
    assert scene.step() == ["usage of 1"]
    scene.now += 10
    scene.changed = {1}
    assert scene.step() == []


def test_who_asks_goes_first() -> None:
    scene = Scene()
    scene.ask(None, "system")
    scene.has_room = False
    assert scene.step() == []


def test_a_failure_stops_nothing() -> None:
    scene = Scene()
    scene.ask(None, "broken", "system")
    assert sorted(scene.step()) == ["broken", "system"]


def test_the_next_quarter_is_prepared_in_the_last_minute() -> None:
    scene = Scene()
    scene.ask(1, "usage of 1")
    scene.now = _QUARTER + 845
    scene.ask(None, "system")
    scene.ask(1, "usage of 1")
    scene.step()
    assert scene.computed == [("system", scene.now), ("usage of 1", _QUARTER + 900)]
    assert scene.step() == ["system"]
    # What was prepared no longer holds.
    scene.changed = {1}
    scene.step()
    ahead = _QUARTER + 900
    usage = "usage of 1"
    assert scene.computed == [(usage, scene.now), ("system", scene.now), (usage, ahead)]


def test_memory_is_bounded() -> None:
    scene = Scene()
    for user in range(warming.MAX_QUESTIONS + 10):
        scene.ask(user, "usage")
    scene.changed = set(range(20))
    assert len(scene.step()) == 10
