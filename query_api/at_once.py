"""Several questions at once, none of which outlives the answer that it is for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, overload

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


@overload
async def at_once(a: Coroutine[Any, Any, A], b: Coroutine[Any, Any, B], /) -> tuple[A, B]: ...
@overload
async def at_once(
    a: Coroutine[Any, Any, A], b: Coroutine[Any, Any, B], c: Coroutine[Any, Any, C], /
) -> tuple[A, B, C]: ...
@overload
async def at_once(*asked: Coroutine[Any, Any, A]) -> tuple[A, ...]: ...
async def at_once(*asked: Coroutine[Any, Any, Any]) -> tuple[Any, ...]:
    """What each one gives; raises what the first one raises, which ends the others.

    `asyncio.gather` would let them go on: queries, and turns of the pool, for an answer that
    nobody gets any more.
    """
    tasks = [asyncio.create_task(one) for one in asked]
    try:
        return tuple(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
