"""The traffic of a run: prepared from a seed, then sent in parts while faults happen.

The last quarter trickles for as long as faults are under way, so that a worker that is to die at a
named point of a flush has something to write there.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.children import Child
from deploy.simulate.ledger import read_ledger
from deploy.simulate.records import Record
from deploy.simulate.sending import Sender

EVENTS, USERS, PARTS = 20_000, 40, 8
TRAFFIC = ["--days", "3", "--users", str(USERS), "--events", str(EVENTS), "--shuffle", "400"]
TRAFFIC += ["--duplicates", "0.05", "--poison", "0.01", "--late", "0.02", "--receipts", "0.25"]
_CLI = (sys.executable, "-m", "deploy.cli")
_LINGER_MS = 5
_TRICKLING = 2
"""Of the parts: the last ones."""
_TRICKLE, _TRICKLE_EVERY_S = 100, 0.5


def simulate(directory: Path, *options: str, **environment: str) -> None:
    """Run the simulated router to its end; RuntimeError if it fails."""
    command = (*_CLI, "simulate", "--data-dir", str(directory), *options)
    child = Child("simulate", command, directory / "simulate.log", environment)
    while child.exit_status is None:
        time.sleep(0.02)
    if child.exit_status:
        raise RuntimeError(f"the router failed: {child.last_line}")


class Router:
    """Sends a ledger as the simulated router does: idempotent, acknowledged, until it works."""

    def __init__(self, book: Path, bootstrap: str) -> None:
        records = list(read_ledger(book))
        self._mappings = [record for record in records if record.kind == "mapping"]
        self._events = [record for record in records if record.kind != "mapping"]
        self._sender = Sender(bootstrap, _LINGER_MS)
        self.handed_over = 0

    @property
    def events(self) -> int:
        """Records of the usage topic, all in all."""
        return len(self._events)

    def send_mappings(self) -> None:
        """Whose number is whose; before the first worker starts, as they decide at once."""
        self._send(self._mappings)

    @contextmanager
    def sending(self, lasts_s: float) -> Iterator[None]:
        """Send the events in parts as if over `lasts_s`, in a thread; the last of them little by
        little until the end of the block, and what is left then at once."""
        failures: list[Exception] = []
        is_over = threading.Event()

        def send() -> None:
            try:
                self._send_in_parts(lasts_s)
                self._trickle(is_over)
            except Exception as error:
                failures.append(error)

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
        if failures:
            raise failures[0]

    def _send_in_parts(self, lasts_s: float) -> None:
        size = -(-len(self._events) // PARTS)
        began = time.monotonic()
        for number in range(PARTS - _TRICKLING):
            time.sleep(max(0.0, began + lasts_s * number / PARTS - time.monotonic()))
            self._hand_over(size)

    def _trickle(self, is_over: threading.Event) -> None:
        while self.handed_over < len(self._events) and not is_over.wait(_TRICKLE_EVERY_S):
            self._hand_over(_TRICKLE)
        self._hand_over(len(self._events))

    def _hand_over(self, most: int) -> None:
        """Send the next events, so many at most."""
        part = self._events[self.handed_over : self.handed_over + most]
        self._send(part)
        self.handed_over += len(part)

    def _send(self, records: list[Record]) -> None:
        self._sender.send(records, lambda: False)
        if undelivered := self._sender.flush(lambda: False):
            raise RuntimeError(f"{undelivered} records are not delivered: {self._sender.failures}")
