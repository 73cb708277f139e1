"""Whether the log goes on where the workers left it; design section 1, rule 5.

If not, going on is an operator's decision, and the sentence names the command for it.
"""

from __future__ import annotations

from schemas.topics import USAGE
from streams.clickhouse import Progress
from streams.errors import WorkerStoppedError

Identity = tuple[str, int]
"""Of a topic: its id, and its number of partitions."""


def refuse_another_log(was: Identity, found: Identity) -> None:
    """Raise WorkerStoppedError unless the topic is the one that was read until now."""
    (old_id, old_partitions), (topic_id, partitions) = was, found
    if old_id != topic_id:
        raise WorkerStoppedError(
            f"{USAGE} was made anew (id {topic_id}, was {old_id}); begin a new log with"
            " `sms-analytics epoch next`"
        )
    if old_partitions != partitions:
        raise WorkerStoppedError(
            f"{USAGE} has {partitions} partitions, had {old_partitions}; begin a new log with"
            f" `sms-analytics epoch next --partitions {partitions}`"
        )


def refuse_lost_records(partition: int, durable: Progress, first: int, end: int) -> None:
    """Raise WorkerStoppedError unless the log, which holds [`first`, `end`) of a partition,
    goes on at its durable offset."""
    where, expected = f"partition {partition} of {USAGE}", durable.next_offset
    if end < expected:
        raise WorkerStoppedError(
            f"{where}: the log ends at {end}, {expected - end} records before what was folded;"
            " begin a new log with `sms-analytics epoch next`"
        )
    if first > expected:
        raise gone_unread(partition, first, expected)


def gone_unread(partition: int, first: int, expected: int) -> WorkerStoppedError:
    """The error when retention took records that were never read."""
    return WorkerStoppedError(
        f"partition {partition} of {USAGE}: the log begins at {first}, so {first - expected}"
        " records are gone unread; go on without them with `sms-analytics epoch accept-gap`"
    )
