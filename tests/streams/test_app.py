"""The Faust app's own parts."""

from __future__ import annotations

import asyncio
from unittest.mock import Mock

from streams.app import create_app
from streams.settings import WorkerSettings


async def _through_a_rebalance() -> list[str]:
    app = create_app(WorkerSettings(), Mock(), 8)
    queue = app.FlowControlQueue(maxsize=1, clear_on_resume=True)
    await asyncio.wait_for(queue.put("first"), 5)
    waiting = asyncio.create_task(queue.put("second"))
    await asyncio.sleep(0)
    app.flow_control.suspend()
    app.flow_control.clear()
    got = [await asyncio.wait_for(queue.get(), 5)]
    app.flow_control.resume()
    await asyncio.wait_for(waiting, 5)
    return [*got, await asyncio.wait_for(queue.get(), 5)]


def test_a_rebalance_neither_empties_the_queue_of_chunks_nor_holds_it_up() -> None:
    assert asyncio.run(_through_a_rebalance()) == ["first", "second"]
