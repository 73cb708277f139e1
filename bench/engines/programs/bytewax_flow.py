"""The job in Bytewax, with recovery: one event at a time, or with `BENCH_COMBINE` each batch that
was read is added up first and its cells are what travels."""

import os

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from confluent_kafka import OFFSET_BEGINNING
from usage_event import BOOTSTRAP, COUNTERS, TOPIC, add, began, cell_of

COMBINE = bool(os.environ.get("BENCH_COMBINE"))


class Nowhere(DynamicSink):
    """A dataflow must end in a sink; the job's result is its state."""

    def build(self, step_id, worker_index, worker_count):
        """One that forgets."""
        return _Forgets()


class _Forgets(StatelessSinkPartition):
    def write_batch(self, items):
        """Nothing."""


def keyed(messages):
    """Each message as its cell and what the cell gets."""
    began()
    for message in messages:
        event = orjson.loads(message.value)
        counters = [0] * COUNTERS
        add(counters, event)
        yield cell_of(event), counters


def combined(messages):
    """Each cell of a batch with what it gets."""
    began()
    cells = {}
    for message in messages:
        event = orjson.loads(message.value)
        cell = cell_of(event)
        counters = cells.get(cell)
        if counters is None:
            counters = cells[cell] = [0] * COUNTERS
        add(counters, event)
    return cells.items()


def fold(counters, more):
    """What a message or a batch has for a cell into it."""
    counters = [a + b for a, b in zip(counters, more, strict=True)] if counters else more
    return counters, None


source = KafkaSource(
    [BOOTSTRAP], [TOPIC], tail=False, starting_offset=OFFSET_BEGINNING, batch_size=10_000
)
flow = Dataflow("bench")
read = op.input("usage", flow, source)
by_cell = op.flat_map_batch("by_cell", read, combined if COMBINE else keyed)
op.output("nowhere", op.stateful_map("cells", by_cell, fold), Nowhere())
