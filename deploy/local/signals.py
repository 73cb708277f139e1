"""SIGTERM as Ctrl-C: both raise KeyboardInterrupt, so that one way leads to a clean stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside the block either signal raises KeyboardInterrupt in the main thread."""
    with _handled(_interrupt):
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Inside the block neither signal does anything: a stop under way is carried through."""
    with _handled(signal.SIG_IGN):
        yield


@contextmanager
def _handled(handler: signal._HANDLER) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
