"""Stops working on a request when its client has closed the connection.

Only requests that change nothing: a change that has begun is brought to its end.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CLIENT_LEFT = 499
"""What is logged and audited for a request that nobody waited for (nginx's number)."""
_READS = frozenset({"GET", "HEAD"})
_AHEAD = 8
"""Messages of a body that are read before the app asks for them."""
_AT_ONCE_S = 0.01
"""What is answered so soon is not worth watching its client."""


async def answer_until_left(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run the app, and cancel it when the client leaves before the end of its answer."""
    if scope["method"] not in _READS:
        await app(scope, receive, send)
        return
    task = asyncio.current_task()
    assert task is not None
    inbox: asyncio.Queue[Message] = asyncio.Queue(_AHEAD)
    listening: asyncio.Task[None] | None = None
    has_left = is_complete = False

    async def listen() -> None:
        nonlocal has_left
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            await inbox.put(message)
        # Servers say so, too, after the end of an answer.
        if not is_complete:
            has_left = True
            task.cancel()

    def begin_to_listen() -> None:
        nonlocal listening
        if listening is None:
            listening = asyncio.create_task(listen())

    async def receive_next() -> Message:
        begin_to_listen()
        return await inbox.get()

    async def send_on(message: Message) -> None:
        nonlocal is_complete
        is_complete = message["type"] == "http.response.body" and not message.get("more_body")
        await send(message)

    timer = asyncio.get_running_loop().call_later(_AT_ONCE_S, begin_to_listen)
    try:
        await app(scope, receive_next, send_on)
    except asyncio.CancelledError:
        if not has_left:
            raise
        task.uncancel()
    finally:
        timer.cancel()
        if listening is not None:
            listening.cancel()
