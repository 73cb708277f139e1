"""Accepted events of one batch, as columns: what decoding makes and all rules work on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from streams.core.columns import Flags, Ints


class Events(NamedTuple):
    """Accepted events of one batch as columns, in order.

    `records` are the places in the batch, `has_key` whether the record's key is known to be the
    event's, `shapes` rows of `Shapes.table`; `users` has 0, `phones` and `counterparties` have no
    text where the event had none; `processing_us` is −1 where the router gave no time. Texts of a
    column that no event of the batch has are an empty list.
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
    phones: list[str]
    counterparties: list[str | None]
    prices: list[str | None]

    def take(self, chosen: Ints) -> Events:
        """The events at these places of the columns, in order."""
        at = chosen.tolist()

        def pick(column: Any) -> Any:
            if isinstance(column, np.ndarray):
                return column[chosen]
            return [column[place] for place in at] if column else column

        return Events(*map(pick, self))

    def merged(self, other: Events) -> Events:
        """These events and others of the same batch, in order of their records."""
        if not len(other.records):
            return self
        order = np.argsort(np.concatenate([self.records, other.records]), kind="stable")
        at = order.tolist()

        def merge(column: Any, others: Any, absent: Any) -> Any:
            if isinstance(column, np.ndarray):
                return np.concatenate([column, others])[order]
            if not column and not others:
                return column
            both = [
                *(column or [absent] * len(self.records)),
                *(others or [absent] * len(other.records)),
            ]
            return [both[place] for place in at]

        absent = {"phones": ""}
        columns = zip(self._fields, self, other, strict=True)
        return Events(*[merge(a, b, absent.get(name)) for name, a, b in columns])
