"""A client that leaves ends the work for it, unless that changes something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from query_api.leaving import answer_until_left

_HEAD = {"type": "http.request", "body": b"", "more_body": False}
_LEFT = {"type": "http.disconnect"}


class Client:
    """Sends messages, then waits until it is told to leave."""

    def __init__(self, *messages: Message) -> None:
        self._messages = list(messages)
        self.leaves = asyncio.Event()
        self.received: list[Message] = []

    async def receive(self) -> Message:
        if self._messages:
            return self._messages.pop(0)
        await self.leaves.wait()
        return _LEFT

    async def send(self, message: Message) -> None:
        self.received.append(message)


def _run(
    method: str, story: Callable[[Client, list[str]], Awaitable[Any]], app: Any, client: Any = None
) -> list[str]:
    events: list[str] = []

    async def run() -> None:
        one = client or Client(_HEAD)

        async def logged(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(receive, send)
                events.append("done")
            except asyncio.CancelledError:
                events.append("cancelled")
                raise

        serving = asyncio.create_task(
            answer_until_left(logged, {"method": method}, one.receive, one.send)
        )
        await asyncio.sleep(0.01)
        await story(one, events)
        await asyncio.wait_for(serving, 1)

    asyncio.run(run())
    return events


async def _slow(receive: Receive, send: Send) -> None:
    await receive()
    await asyncio.sleep(0.2)


async def _leave(client: Client, events: list[str]) -> None:
    client.leaves.set()


@pytest.mark.parametrize(
    ("method", "event"),
    [("GET", "cancelled"), ("HEAD", "cancelled"), ("PUT", "done"), ("DELETE", "done")],
)
def test_only_what_changes_nothing_is_cancelled(method: str, event: str) -> None:
    assert _run(method, _leave, _slow) == [event]


def test_who_stays_gets_his_answer() -> None:
    async def nothing(client: Client, events: list[str]) -> None:
        assert events == []

    assert _run("GET", nothing, _slow) == ["done"]


def test_who_leaves_after_the_answer_ends_nothing() -> None:
    async def answer(receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x"})
        await asyncio.sleep(0.1)

    assert _run("GET", _leave, answer) == ["done"]


def test_who_leaves_in_the_middle_of_an_answer_ends_it() -> None:
    async def stream(receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await asyncio.sleep(0.2)

    assert _run("GET", _leave, stream) == ["cancelled"]


def test_a_body_arrives_whole_and_in_order() -> None:
    parts: list[bytes] = []

    async def read(receive: Receive, send: Send) -> None:
        while (message := await receive()).get("more_body", False):
            parts.append(message["body"])

    async def run() -> None:
        messages = [
            {"type": "http.request", "body": b"%d" % n, "more_body": n < 30} for n in range(31)
        ]
        client = Client(*messages)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await read(receive, send)

        await answer_until_left(app, {"method": "GET"}, client.receive, client.send)

    asyncio.run(run())
    assert parts == [b"%d" % n for n in range(30)]


def test_being_cancelled_by_others_is_passed_on() -> None:
    async def run() -> None:
        client = Client(_HEAD)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await asyncio.sleep(10)

        serving = asyncio.create_task(
            answer_until_left(app, {"method": "GET"}, client.receive, client.send)
        )
        await asyncio.sleep(0.01)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    asyncio.run(run())
