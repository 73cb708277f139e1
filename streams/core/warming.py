"""Has the compiled loops ready before records wait for them: compiled, or loaded if kept."""

from __future__ import annotations

import numpy as np

from schemas.rates import bundled_card
from schemas.rows import CELL_TABLES
from streams.core.cells import CellTable
from streams.core.columns import Texts
from streams.core.decode import Decoder
from streams.core.fold import Batch, fold, group
from streams.core.message import Reference, decide
from streams.core.pricing import RateIndex, usd_rates

_EVENT = (
    b'{"event_id":"0","message_sid":"0","occurred_at":"2026-01-01T00:00:00Z","user_id":1,'
    b'"direction":"inbound","country_code":"US","counterparty":"+1555","price":"0"}'
)


def compile_loops() -> None:
    """Take two events of the usual form through all steps, for nothing."""
    decoder, tables = Decoder(), {name: CellTable({}) for name in CELL_TABLES}
    events, _ = decoder.batch(Texts.of([_EVENT, _EVENT]), Texts.of([b"1", b"1"]))
    assert len(events.records) == 2
    list(events.counterparties)
    positions = np.arange(2)
    made = decide(events, decoder.shapes.gather(events.shapes), positions, _REFERENCE)
    batch = Batch(made, positions, events.occurred_ms, made[:0])
    fold(tables, group(batch), batch)


_REFERENCE = Reference(
    rates=RateIndex(bundled_card()),
    users={},
    withdrawn=frozenset(),
    usd_rates=usd_rates({}),
    country_of=lambda _: None,
    hash_of=lambda _: 0,
    retention_days=1,
)
