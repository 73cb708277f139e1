"""Only the user cells of 15 minutes: `SMS_OUTPUT=user_cells`.

For a topic whose records are distinct messages in their last state, when nothing but counts is
wanted: without a usage log there are no duplicates and no receipts. Everything else is as in
`folding`: reader, checks, prices, dead letters, cold reads, the order of durability.
"""

from __future__ import annotations

import numpy as np

from schemas.rows import USER_15M
from streams.core.fold import Batch, group_by_user
from streams.core.message import UNKNOWN_USER
from streams.folding import Folder
from streams.intake import Chunk
from streams.working_set import WorkingSet


class CountingFolder(Folder):
    """Folds the messages of chunks into user cells of 15 minutes, and leaves receipts aside."""

    keeps_messages = False

    def fold(self, state: WorkingSet, chunk: Chunk) -> None:
        """As `Folder.fold`."""
        part, rejected = self._intake.take_in(state, chunk)
        is_status = self._intake.shapes(part.events)["is_status"]
        messages = self._with_rates(part.take(np.flatnonzero(~is_status)), rejected)
        made = self._decide(state, messages)
        if state.cuts:  # what lies before its user's erasure is nobody's
            made["user_id"][messages.positions < state.cuts.of(made["user_id"])] = UNKNOWN_USER
        batch = Batch(made, messages.positions, messages.record_ms, made[:0])
        if len(made):
            self._apply(state, {USER_15M: group_by_user(batch)}, batch)
        self._end(state, chunk, rejected)
