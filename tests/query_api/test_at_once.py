"""Several questions at once: their answers, and what becomes of the others when one fails."""

from __future__ import annotations

import asyncio

import pytest

from query_api.at_once import at_once
from query_api.errors import UnavailableError


class Question:
    """One that runs until it may end."""

    def __init__(self) -> None:
        self.has_begun, self.may_end, self.has_ended = (asyncio.Event() for _ in range(3))
        self.is_cancelled = False

    async def ask(self, found: str) -> str:
        self.has_begun.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise
        finally:
            self.has_ended.set()
        return found


async def _fails() -> str:
    raise UnavailableError("The database is too busy.", reason="busy")


def test_each_answer_stands_where_its_question_stood_whoever_is_first() -> None:
    async def story() -> None:
        first, second = Question(), Question()
        asking = asyncio.create_task(at_once(first.ask("a"), second.ask("b")))
        second.may_end.set()
        await second.has_ended.wait()
        assert not first.has_ended.is_set()
        first.may_end.set()
        assert await asking == ("a", "b")

    asyncio.run(story())


def test_nothing_asked_is_nothing_found() -> None:
    assert asyncio.run(at_once()) == ()


def test_the_first_failure_is_raised_and_ends_the_others() -> None:
    async def story() -> None:
        before, behind = Question(), Question()
        with pytest.raises(UnavailableError, match="too busy"):
            await at_once(before.ask("a"), _fails(), behind.ask("b"))
        await asyncio.sleep(0)
        assert before.is_cancelled
        assert behind.is_cancelled

    asyncio.run(story())


def test_whoever_leaves_ends_them_all() -> None:
    async def story() -> None:
        one, other = Question(), Question()
        asking = asyncio.create_task(at_once(one.ask("a"), other.ask("b")))
        await other.has_begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert one.is_cancelled
        assert other.is_cancelled

    asyncio.run(story())
