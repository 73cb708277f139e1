"""The job in Quix Streams: one event at a time, its state in RocksDB with a changelog topic."""

import logging

from quixstreams import Application
from usage_event import BOOTSTRAP, COUNTERS, GROUP, STATE, TOPIC, add, began, cell_of

app = Application(
    broker_address=BOOTSTRAP,
    consumer_group=GROUP,
    auto_offset_reset="earliest",
    commit_interval=1.0,
    state_dir=STATE,
    loglevel=logging.WARNING,
    use_changelog_topics=True,
)


def fold(event, state):
    """One event; the state is its key's, that is its user's."""
    began()
    cell = cell_of(event)
    counters = state.get(cell) or [0] * COUNTERS
    add(counters, event)
    state.set(cell, counters)


if __name__ == "__main__":
    usage = app.topic(TOPIC, key_deserializer="bytes", value_deserializer="json")
    app.dataframe(usage).update(fold, stateful=True)
    app.run()
