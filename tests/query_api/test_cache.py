"""The cache: one computation for many askers, bounded memory, failures not kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

import pytest
from pydantic import BaseModel

from query_api.cache import AnswerCache, Kept
from query_api.metrics import Metrics


class Answer(BaseModel):
    number: int
    text: str = ""
    generated_at: str = "now"
    data_as_of: str | None = None


class Maker:
    """Computes answers slowly and counts how often."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def of(self, number: int, text: str = "") -> Callable[[], Awaitable[Answer]]:
        async def make() -> Answer:
            await asyncio.sleep(0.01)
            self.made.append(number)
            if number < 0:
                raise ValueError("cannot be computed")
            return Answer(number=number, text=text)

        return make


def _ratio(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("sms_api_cache_hit_ratio")


def test_an_answer_is_computed_once() -> None:
    maker, metrics = Maker(), Metrics()
    cache = AnswerCache(10_000, metrics)

    async def story() -> None:
        flights = (cache.get("a", maker.of(1)) for _ in range(8))
        assert {kept.body for kept in await asyncio.gather(*flights)} == {b'{"number":1,"text":""'}
        again = await cache.get("a", maker.of(2))
        assert again.body == b'{"number":1,"text":""'

    asyncio.run(story())
    assert maker.made == [1]
    assert _ratio(metrics) == pytest.approx(8 / 9)


def test_who_leaves_takes_nobody_with_him() -> None:
    maker = Maker()
    cache = AnswerCache(10_000, Metrics())

    async def story() -> bytes:
        first = asyncio.create_task(cache.get("a", maker.of(1)))
        await asyncio.sleep(0)
        second = asyncio.create_task(cache.get("a", maker.of(2)))
        await asyncio.sleep(0)
        first.cancel()
        return (await second).body

    assert asyncio.run(story()) == b'{"number":1,"text":""'


def test_when_the_last_has_left_the_computation_is_given_up() -> None:
    begun: list[str] = []
    ended: list[str] = []
    cache = AnswerCache(10_000, Metrics())

    async def slow() -> Answer:
        begun.append("slow")
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("slow")
        return Answer(number=1)

    async def story() -> bytes:
        askers = [asyncio.create_task(cache.get("a", slow)) for _ in range(2)]
        await asyncio.sleep(0.01)
        askers[0].cancel()
        await asyncio.sleep(0.01)
        assert (begun, ended) == (["slow"], [])
        askers[1].cancel()
        await asyncio.sleep(0)
        # Whoever comes at this moment is not given the one that is being given up.
        return (await cache.get("a", Maker().of(2))).body

    assert asyncio.run(story()) == b'{"number":2,"text":""'
    assert ended == ["slow"]


class Shared:
    """A store that all processes share, as a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[Any, Kept] = {}

    async def get(self, key: Hashable) -> Kept | None:
        await asyncio.sleep(0)
        return self.kept.get(key)

    async def put(self, key: Hashable, kept: Kept) -> None:
        self.kept[key] = kept


def test_what_another_process_computed_is_not_computed_again() -> None:
    maker, metrics, shared = Maker(), Metrics(), Shared()
    first, second = (AnswerCache(10_000, m, shared) for m in (Metrics(), metrics))

    async def story() -> None:
        made = await first.get("a", maker.of(1))
        for _ in range(2):
            assert await second.get("a", maker.of(2)) == made
        shared.kept.clear()
        assert await second.get("a", maker.of(3)) == made

    asyncio.run(story())
    assert maker.made == [1]
    assert _ratio(metrics) == 1


def test_a_failure_is_everybodys_and_not_kept() -> None:
    maker = Maker()
    cache = AnswerCache(10_000, Metrics())

    async def story() -> None:
        flights = (cache.get("a", maker.of(-1)) for _ in range(3))
        found = await asyncio.gather(*flights, return_exceptions=True)
        assert [type(failure) for failure in found] == [ValueError] * 3
        assert (await cache.get("a", maker.of(1))).body == b'{"number":1,"text":""'

    asyncio.run(story())


def test_memory_is_bounded_and_the_oldest_leave() -> None:
    maker, metrics = Maker(), Metrics()
    cache = AnswerCache(5_000, metrics)

    async def story() -> None:
        for number in (1, 2, 3, 1, 4, 5, 1, 2):
            await cache.get(number, maker.of(number, "x" * 1000))
        await cache.get("large", maker.of(9, "x" * 6000))
        await cache.get("large", maker.of(9, "x" * 6000))

    asyncio.run(story())
    assert maker.made == [1, 2, 3, 4, 5, 2, 9, 9]
    size = metrics.registry.get_sample_value("sms_api_cache_bytes")
    assert size is not None
    assert size <= 5_000


def test_a_cache_of_nothing_still_answers() -> None:
    maker = Maker()
    cache = AnswerCache(0, Metrics())

    async def story() -> None:
        for _ in range(3):
            assert (await cache.get("a", maker.of(1))).body == b'{"number":1,"text":""'

    asyncio.run(story())
    assert maker.made == [1, 1, 1]


def test_tags_are_of_the_numbers_and_not_of_the_times() -> None:
    cache = AnswerCache(0, Metrics())

    async def story() -> list[str]:
        answers = [
            Answer(number=1, generated_at="a"),
            Answer(number=1, generated_at="b"),
            Answer(number=2, generated_at="a"),
        ]

        async def given(answer: Answer) -> Answer:
            return answer

        return [(await cache.get(0, lambda a=a: given(a))).etag for a in answers]  # type: ignore[misc]

    first, second, third = asyncio.run(story())
    assert first == second != third
    assert first.startswith('W/"')
