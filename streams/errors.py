"""Why a worker ends itself; a supervisor starts it again, an operator reads the sentence."""

from __future__ import annotations


class WorkerStoppedError(Exception):
    """The log or the tables are not as the worker left them; going on needs a decision."""


class PoisonRecordError(Exception):
    """Folding failed at one record, whose offset is known: `dlq quarantine` sets it aside."""

    def __init__(self, partition: int, offset: int, error: Exception) -> None:
        super().__init__(f"partition {partition} offset {offset}: {type(error).__name__}: {error}")
        self.partition = partition
        self.offset = offset


class AbandonedError(Exception):
    """The assignment that some work belongs to has ended; its events will be folded again."""


class RefusedError(ValueError):
    """An operator's command that would harm the totals; the message is a sentence without a
    full stop that says why, and what can be done."""
