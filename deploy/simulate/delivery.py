"""Puts a run's records where they belong, the ledger first, until done or told to stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path

import typer
from confluent_kafka import KafkaException

from deploy.simulate.ledger import Ledger
from deploy.simulate.progress import Progress
from deploy.simulate.records import Record
from deploy.simulate.run import TICK_S, Groups
from deploy.simulate.sending import Sender

GRACE_S = 10.0
"""How long a stopped run waits for the broker to acknowledge what was sent."""

MAPPING_LEAD_S = 3.0
"""Between the user-phone mappings and the first event: whose event it is is decided when it is
folded, and the worker reads the two topics independently."""


def deliver(
    batches: Iterator[Groups], ledger_path: Path | None, servers: str | None, linger_ms: int
) -> int:
    """Put all batches into the ledger and to Kafka (either may be absent); the exit code.

    0 if all was delivered, also after Ctrl-C or SIGTERM; else 1 and the reason on stderr.
    """
    stop = Stop()
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger(ledger_path) if ledger_path else nullcontext())
        sender = Sender(servers, linger_ms) if servers else None
        progress = Progress(sender)

        def is_stopped() -> bool:
            progress.show()
            return stop.is_requested()

        try:
            for groups in batches:
                records = [record for group in groups for record in group]
                _put(records, ledger, sender, is_stopped)
                if _is_mapping(records):
                    progress.start()
                else:
                    progress.records_total += len(records)
                if is_stopped():
                    break
        except KafkaException as error:
            typer.echo(f"Kafka refused a record: {error.args[0].str()}", err=True)
            return 1
        undelivered = sender.flush(lambda: is_stopped() and stop.is_overdue()) if sender else 0
        progress.end(undelivered)
    return 1 if undelivered else 0


def _put(
    records: list[Record],
    ledger: Ledger | None,
    sender: Sender | None,
    is_stopped: Callable[[], bool],
) -> None:
    if ledger is not None:
        ledger.write(records)
    if sender is None:
        return
    sender.send(records, is_stopped)
    if _is_mapping(records):
        sender.flush(is_stopped)
        begin = time.monotonic() + MAPPING_LEAD_S
        while time.monotonic() < begin and not is_stopped():
            time.sleep(TICK_S)


def _is_mapping(records: list[Record]) -> bool:
    return bool(records) and records[0].kind == "mapping"


class Stop:
    """Whether Ctrl-C or SIGTERM asked for the end."""

    def __init__(self) -> None:
        self._since: float | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._request)

    def _request(self, number: int, frame: object) -> None:
        self._since = self._since or time.monotonic()

    def is_requested(self) -> bool:
        """Whether to send nothing more."""
        return self._since is not None

    def is_overdue(self) -> bool:
        """Whether to wait no longer for what was sent."""
        return self._since is not None and time.monotonic() > self._since + GRACE_S
