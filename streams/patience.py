"""Trying again until it works: a slow or absent back end is backpressure, never an error."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from streams import metrics
from streams.errors import AbandonedError, WorkerStoppedError

logger = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0

T = TypeVar("T")
C = TypeVar("C")


def until_done(what: str, action: Callable[[], T], abandoned: threading.Event) -> T:
    """Run `action` until it succeeds, with growing, jittered pauses; its result.

    Raises AbandonedError once the event is set, and WorkerStoppedError as `action` does.
    """
    pause = _FIRST_PAUSE_S
    while not abandoned.is_set():
        try:
            return action()
        except WorkerStoppedError:
            raise
        except Exception as error:
            metrics.RETRIES.labels(what).inc()
            reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
            logger.warning("%s failed, trying again in %.1f s: %s", what, pause, reason[0])
            abandoned.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause = min(pause * 2, _LONGEST_PAUSE_S)
    raise AbandonedError(what)


class PatientClient(Generic[C]):
    """A client of a back end, made anew after each failure; what is asked of it is asked until it
    is done."""

    def __init__(self, connect: Callable[[], C]) -> None:
        self._connect = connect
        self._client: C | None = None

    def run(self, what: str, action: Callable[[C], T], abandoned: threading.Event) -> T:
        """What `action` gives; see `until_done`."""

        def once() -> T:
            if self._client is None:
                self._client = self._connect()
            try:
                return action(self._client)
            except Exception:
                self._client = None
                raise

        return until_done(what, once, abandoned)
