"""What the simulator says on stderr while it works."""

from __future__ import annotations

import sys
import time

import typer

from deploy.simulate.sending import Sender


class Progress:
    """One line on stderr, every second on a terminal, every ten seconds elsewhere."""

    def __init__(self, sender: Sender | None) -> None:
        self.records_total = 0
        self._sender = sender
        self._is_terminal = sys.stderr.isatty()
        self._period_s = 1 if self._is_terminal else 10
        self._began = self._shown = time.monotonic()
        self._delivered = 0

    def start(self) -> None:
        """Rates count from now."""
        self._began = time.monotonic()

    def show(self) -> None:
        """Print the line if it is time."""
        if time.monotonic() - self._shown >= self._period_s:
            self._shown = time.monotonic()
            end = "\x1b[K\r" if self._is_terminal else "\n"
            typer.echo(self._line() + end, nl=False, err=True)

    def end(self, undelivered: int) -> None:
        """Print the last line and what could not be delivered."""
        typer.echo(self._line(), err=True)
        if self._sender is not None and undelivered:
            reasons = [f"{reason} ({count})" for reason, count in self._sender.failures.items()]
            trouble = "; ".join(reasons) or self._sender.trouble or "no answer from the broker"
            typer.echo(f"{undelivered:,} records could not be delivered: {trouble}", err=True)

    def _line(self) -> str:
        rate = self.records_total / max(time.monotonic() - self._began, 1e-9)
        if self._sender is None:
            return f"{self.records_total:,} records written, {rate:,.0f}/s"
        line = f"{self.records_total:,} records sent, {rate:,.0f}/s"
        waiting, before = self._sender.waiting, self._delivered
        self._delivered = self._sender.sent_total - waiting
        if not waiting:
            return line
        stuck = f": {self._sender.trouble}" if self._delivered == before else ""
        return f"{line}, {waiting:,} on their way{stuck or ''}"
