"""The control: the job in stock Faust, an agent and two tables, as its documentation has it.

Run as `python -m tests.faults.control.faust_app worker --without-web`: `CONTROL_TAKE` events at a
time, or one if that is 0; each sid once if there is `CONTROL_ONCE`.
"""

from __future__ import annotations

import os
from typing import Any

import faust

from schemas.topics import USAGE
from tests.faults.control.job import decode

TAKE = int(os.environ["CONTROL_TAKE"])
ONCE = bool(os.environ.get("CONTROL_ONCE"))
PARTITIONS = int(os.environ["CONTROL_PARTITIONS"])

app = faust.App(
    os.environ["CONTROL_GROUP"],
    broker=f"kafka://{os.environ['CONTROL_BOOTSTRAP']}",
    datadir=os.environ["CONTROL_DIRECTORY"],
    store="memory://",
    topic_partitions=PARTITIONS,
    # A worker that is killed and started again is the same member of the group, as the product's.
    consumer_group_instance_id="worker-1",
)
usage = app.topic(USAGE, key_serializer="raw", value_serializer="raw")
# Within `take` a table does not know the partition of an event, so its key decides.
seen = app.Table("seen", partitions=PARTITIONS, use_partitioner=bool(TAKE))
cells = app.Table("cells", partitions=PARTITIONS, use_partitioner=bool(TAKE))


def count(value: bytes) -> None:
    """Count a message, unless its sid is known."""
    message = decode(value)
    if message is None or (ONCE and message.sid in seen):
        return
    if ONCE:
        seen[message.sid] = True
    cells[message.cell] = cells.get(message.cell, 0) + 1


@app.agent(usage)  # type: ignore[untyped-decorator]
async def fold(stream: Any) -> None:
    """The agent."""
    if TAKE:
        async for values in stream.take(TAKE, within=0.1):
            for value in values:
                count(value)
    else:
        async for value in stream:
            count(value)


if __name__ == "__main__":
    app.main()
