"""Takes up erasures: decides where each cuts the log, and has the working sets forget the user.

Everything before the cut becomes a stub, whether it was folded already or is read later; what comes
after counts as ever. The cut is durable before it has an effect, and folding waits for that.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from schemas.privacy import Erasure
from schemas.rows import USER_TABLES
from schemas.units import partition_of, position, source_epoch
from streams.core.erasure import NEVER, Cuts, StubOf, forget_messages
from streams.core.orphans import Orphan
from streams.erasures import REQUESTED, TAKEN_UP, ErasureTable, Step, Steps
from streams.reference import ReferenceData
from streams.working_set import WorkingSet

_LATE_WRITES_MS = 24 * 3_600_000
"""For so long after a request late writes of frozen workers are looked for without an occasion."""


class Eraser:
    """Keeps the working sets of a worker true to the requests for erasure.

    Its methods that take working sets are called while nothing is folded.
    """

    def __init__(
        self,
        table: ErasureTable,
        reference: ReferenceData,
        identity: tuple[str, int],
        stub_of: StubOf,
    ) -> None:
        self._table = table
        self._reference = reference
        self._topic_id, self._partitions = identity
        self._stub_of = stub_of

    def has_news(self, states: Iterable[WorkingSet]) -> bool:
        """Whether a request is not taken up yet in one of these."""
        requests = self._reference.erasures
        return any(any(_wanted(state, requests)) for state in states)

    def has_requests(self, is_first: bool, now_ms: int) -> bool:
        """Whether to look after erasures: of any age at first, then of the last day's.

        So long may frozen workers sleep that nothing else shows: one that wakes up joins the group
        again, which begins a new assignment for all.
        """
        requests = self._reference.erasures.values()
        return any(is_first or now_ms - each.requested_ms < _LATE_WRITES_MS for each in requests)

    def load(self, states: Sequence[WorkingSet], abandoned: threading.Event) -> None:
        """Have new working sets know what was erased before, and take up what is wanted."""
        steps = self._table.newest(abandoned)
        for state in states:
            self._know(state, steps)
        if self.has_news(states):
            self.take_up(states, abandoned)

    def take_up(self, states: Sequence[WorkingSet], abandoned: threading.Event) -> None:
        """Cut where the requests say; everything before is forgotten. Raises AbandonedError."""
        steps, sources = self._table.newest(abandoned), self._table.sources(abandoned)
        requests = self._reference.erasures
        made = [
            step
            for state in states
            for erasure in _wanted(state, requests)
            for step in self._cuts(state, erasure, steps, sources)
        ]
        self._table.write(made, abandoned)
        steps |= {(step.user_id, step.source): step for step in made}
        for state in states:
            self._know(state, steps)

    def look_again(self, states: Sequence[WorkingSet], abandoned: threading.Event) -> None:
        """Undo what a worker that has lost these partitions may have written late.

        If it cut elsewhere, it is cut again. Cells that it wrote with what was erased are written
        again: of equal versions the newest row counts.
        """
        steps = self._table.newest(abandoned)
        for state in states:
            cuts = dict(zip(state.cuts.users.tolist(), state.cuts.positions.tolist(), strict=True))
            for user, cut in cuts.items():
                step = steps.get((user, state.source))
                if step is not None and step.step != REQUESTED and step.position != cut:
                    state.receipts.pop(user, None)
            for name in USER_TABLES:
                state.tables[name].write_again(state.cuts.users)
        if self.has_news(states):
            self.take_up(states, abandoned)

    def _cuts(
        self, state: WorkingSet, erasure: Erasure, steps: Steps, sources: set[int]
    ) -> Iterable[Step]:
        """The steps that take up a request in a partition: in its source and in those before."""
        owned = (s for s in sources if s < state.source)
        for source in [state.source, *(s for s in owned if self.is_mine(s, {state.partition}))]:
            before = steps.get((erasure.user_id, source))
            is_known = before is not None and before.receipt_id == erasure.receipt_id
            at = position(source_epoch(source) + 1, 0)
            if source == state.source:
                at = self._cut(state, erasure, steps)
            if before is not None and is_known and before.step != REQUESTED:
                # Taken up by somebody before; what was folded since then goes, too.
                at = max(before.position, at if before.position else 0)
                if source != state.source:
                    continue
            revision = max(erasure.revision, before.revision if before else 0) + 1
            yield Step(erasure.user_id, source, erasure.receipt_id, revision, at, TAKEN_UP)

    def _cut(self, state: WorkingSet, erasure: Erasure, steps: Steps) -> int:
        """Where a request cuts the partition: behind all that was folded, and that the log had.

        One that was taken up in an earlier epoch cuts nothing of this one.
        """
        is_of_before = any(
            step.receipt_id == erasure.receipt_id
            and step.step != REQUESTED
            and source_epoch(step.source) < state.epoch
            for step in steps.values()
        )
        if is_of_before:
            return 0
        end = erasure.log_ends.get(str(state.partition), 0)
        is_same_log = erasure.topic_id == self._topic_id
        return state.position(max(state.next_offset, end if is_same_log else 0))

    def is_mine(self, source: int, partitions: Iterable[int]) -> bool:
        """Whether who has these partitions looks after a source, of this epoch or an earlier."""
        return partition_of(source) % self._partitions in partitions

    def _know(self, state: WorkingSet, steps: Steps) -> None:
        own = {
            user: step
            for (user, source), step in steps.items()
            if source == state.source and step.step != REQUESTED
        }
        # Whoever was erased anywhere may have stubs here, of an earlier epoch.
        cuts = dict.fromkeys((user for user, _ in steps), 0)
        state.cuts = Cuts(cuts | {user: step.position for user, step in own.items()})
        state.receipts = {user: step.receipt_id for user, step in own.items()}
        if len(state.cuts):
            forget(state, self._stub_of)


def _wanted(state: WorkingSet, requests: dict[int, Erasure]) -> Iterable[Erasure]:
    for user, erasure in requests.items():
        if state.receipts.get(user) != erasure.receipt_id:
            yield erasure


def forget(state: WorkingSet, stub_of: StubOf) -> None:
    """Take the erased users out of a working set: messages, cells and waiting receipts."""
    cuts = state.cuts
    forget_messages(state.messages, cuts, stub_of)
    for name in USER_TABLES:
        state.tables[name].forget(cuts.users, cuts.positions)

    by_user: dict[int, int] = dict(zip(cuts.users.tolist(), cuts.positions.tolist(), strict=True))

    def is_erased(orphan: Orphan) -> bool:
        return orphan.entry.position < by_user.get(orphan.user_id, NEVER)

    state.orphans.forget(is_erased, stub_of)
