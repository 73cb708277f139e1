"""Many clients that ask again and again: `python -m bench.load PLAN`, a process of its own.

PLAN is a JSON file: host, port, the requests of each client as texts, the pause between an answer
and the next request, and seconds of starting up (the clients begin one after the other) and of
measuring. The result is one line of JSON: times in ms, statuses, and the CPU seconds of this
process while it measured. HTTP is read no further than Content-Length asks for, so that this
process does not slow down what it measures.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

import uvloop

_LENGTH = b"content-length: "
_GIVE_UP_S = 30.0


class Client(asyncio.Protocol):
    """One connection that sends its requests in turn, each a pause after the last answer."""

    def __init__(self, run: Run, requests: list[bytes], place: int) -> None:
        self._run = run
        self._requests = requests
        self._next = place
        self._buffer = bytearray()
        self._wanted = 0
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has another base
        self._ask()

    def _ask(self) -> None:
        if self._run.is_over or self._transport is None:
            return
        self._sent = time.perf_counter()
        self._transport.write(self._requests[self._next % len(self._requests)])
        self._next += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._wanted:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._wanted = end + 4 + _content_length(self._buffer, end)
        if len(self._buffer) >= self._wanted:
            status = int(self._buffer[9:12])
            self._buffer.clear()
            self._wanted = 0
            self._run.answered(status, self._sent)
            if self._run.pause_s:
                asyncio.get_running_loop().call_later(self._run.pause_s, self._ask)
            else:
                self._ask()

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        if not self._run.is_over:
            self._run.statuses["connection lost"] += 1


def _content_length(buffer: bytearray, end: int) -> int:
    head = bytes(buffer[:end]).lower()
    at = head.find(_LENGTH)
    return int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0


class Run:
    """What all clients share: the plan, and what was measured."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.pause_s = float(plan["pause_s"])
        self.times: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.is_over = False
        self._is_measuring = False

    def answered(self, status: int, sent: float) -> None:
        """Count an answer to a request sent at `sent`."""
        if self._is_measuring:
            self.times.append((time.perf_counter() - sent) * 1000)
            self.statuses[str(status)] += 1
        elif status != 200:
            self.statuses[f"{status} while starting"] += 1

    async def run(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        clients = [[text.encode() for text in texts] for texts in self.plan["clients"]]
        step = self.plan["start_s"] / len(clients)
        for place, requests in enumerate(clients):
            make = Client(self, requests, place)
            await loop.create_connection(lambda made=make: made, "127.0.0.1", self.plan["port"])
            await asyncio.sleep(step)
        await asyncio.sleep(self.plan["settle_s"])
        print("measuring", flush=True)
        cpu, began = _cpu_s(), time.perf_counter()
        self._is_measuring = True
        await asyncio.sleep(self.plan["measure_s"])
        self._is_measuring, took = False, time.perf_counter() - began
        self.is_over = True
        return {
            "times_ms": sorted(round(ms, 2) for ms in self.times),
            "statuses": dict(self.statuses),
            "cpu_s": _cpu_s() - cpu,
            "seconds": took,
        }


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    found = uvloop.run(Run(json.loads(Path(sys.argv[1]).read_text())).run())
    # Where Python does not buffer its output, what is more than a pipe holds may be cut off.
    with open(sys.stdout.fileno(), "w", closefd=False) as whole:
        print(json.dumps(found), file=whole)
