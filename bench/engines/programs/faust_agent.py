"""The job in stock Faust: an agent and a table; with `BENCH_TAKE`, a hundred events at a time.

Nothing differs from Faust's defaults but the commit interval (one second, as for all engines) and
the number of partitions.
"""

import os

import faust
from usage_event import BOOTSTRAP, COUNTERS, GROUP, PARTITIONS, STATE, TOPIC, add, began, cell_of

TAKE = int(os.environ.get("BENCH_TAKE", "0"))

app = faust.App(
    GROUP,
    broker=f"kafka://{BOOTSTRAP}",
    datadir=STATE,
    store="memory://",
    topic_partitions=PARTITIONS,
    broker_commit_interval=1.0,
)
usage = app.topic(TOPIC, key_type=bytes, value_serializer="json")
# Within `take` there is no current event from which a table could know its partition ("Cannot
# modify table key from outside of stream iteration"), so there its key decides.
cells = app.Table("cells", partitions=PARTITIONS, use_partitioner=bool(TAKE))


def fold(event):
    """One event."""
    cell = cell_of(event)
    counters = cells.get(cell) or [0] * COUNTERS
    add(counters, event)
    cells[cell] = counters


if TAKE:

    @app.agent(usage)
    async def take(stream):
        """A batch at a time."""
        async for events in stream.take(TAKE, within=0.1):
            began()
            for event in events:
                fold(event)

else:

    @app.agent(usage)
    async def each(stream):
        """One event at a time."""
        async for event in stream:
            began()
            fold(event)


if __name__ == "__main__":
    app.main()
