"""Accepted events of one batch, as columns: what decoding makes and all rules work on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from streams.core.columns import Flags, Ints, Texts, nothing


class Events(NamedTuple):
    """Accepted events of one batch as columns, in order.

    `records` are the places in the batch, `has_key` whether the record's key is known to be the
    event's, `shapes` rows of `Shapes.table`; `users` has 0, `phones` and `counterparties` no
    text where the event had none; `processing_us` is −1 where the router gave no time. A column of
    texts that no event of the batch has is empty, and so is `sids` where nobody wants them.
    """

    records: Ints
    has_key: Flags
    sids: list[bytes]
    occurred_ms: Ints
    shapes: Ints
    users: Ints
    segments: Ints
    body_length: Ints
    non_gsm_characters: Ints
    num_media: Ints
    processing_us: Ints
    phones: Texts
    counterparties: Texts
    prices: Texts

    def take(self, chosen: Ints) -> Events:
        """The events at these places of the columns, in order."""
        at = chosen.tolist()

        def pick(column: Any) -> Any:
            if isinstance(column, np.ndarray):
                return column[chosen]
            if isinstance(column, Texts):
                return column.take(chosen) if len(column) else column
            return [column[place] for place in at] if column else column

        return Events(*map(pick, self))

    def merged(self, other: Events) -> Events:
        """These events and others of the same batch, in order of their records."""
        if not len(other.records):
            return self
        order = np.argsort(np.concatenate([self.records, other.records]), kind="stable")
        at = order.tolist()

        def merge(column: Any, others: Any) -> Any:
            if isinstance(column, np.ndarray):
                return np.concatenate([column, others])[order]
            if not len(column) and not len(others):
                return column
            if isinstance(column, Texts):
                first = column if len(column) else nothing(len(self.records))
                second = others if len(others) else nothing(len(other.records))
                return first.followed_by(second).take(order)
            both = [*column, *others]
            return [both[place] for place in at]

        return Events(*map(merge, self, other))
