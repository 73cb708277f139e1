"""Events of users who had their data erased find the stubs of their messages.

Their sids become the keyed hashes that stubs go by, before anything looks them up; so does the sid
of a message that lies before its user's erasure and is folded only now. Everybody else's events are
left alone: a partition whose users were never erased never comes here.
"""

from __future__ import annotations

import numpy as np

from streams import metrics
from streams.clickhouse import Store
from streams.core.columns import Flags, Ints
from streams.core.erasure import StubOf, forget_messages
from streams.core.events import Events
from streams.core.message import has_unmapped, owners_of
from streams.core.seen import SidFilter, hashes_of
from streams.intake import Part
from streams.reference import ReferenceData
from streams.working_set import WorkingSet


class Stubs:
    """Renames events; one for each worker, used by the thread that folds."""

    def __init__(
        self, store: Store, sids: SidFilter, reference: ReferenceData, stub_of: StubOf
    ) -> None:
        self._store = store
        self._sids = sids
        self._reference = reference
        self._stub_of = stub_of

    def rename(self, state: WorkingSet, part: Part, is_status: Flags) -> bool:
        """Put stubs' sids in place of the sids of `part`, where they belong; whether any does.

        An event is looked at if its user was ever erased, or if it names a number: to whom that
        belonged when its message was folded is not known any more.
        """
        events, users = part.events, self._users(part.events)
        cuts = state.cuts.of(users)
        is_suspect = cuts >= 0
        if len(events.phones):
            is_suspect |= events.phones.sizes > 0
        places = np.flatnonzero(is_suspect).tolist()
        if not places:
            return False
        stubs = {sid: self._stub_of(sid) for sid in {events.sids[place] for place in places}}
        self._look_up(state, stubs)
        sids, names = list(stubs), list(stubs.values())
        is_stub = dict(zip(sids, (state.messages.find(names) >= 0).tolist(), strict=True))
        is_other = dict(zip(sids, (state.messages.find(sids) >= 0).tolist(), strict=True))
        for place in places:
            sid = events.sids[place]
            if is_stub[sid]:
                events.sids[place] = stubs[sid]
            elif is_other[sid]:
                continue
            elif part.positions[place] < cuts[place]:
                events.sids[place] = stubs[sid]
                is_stub[sid] = not is_status[place]
            elif not is_status[place]:
                # Receipts of before the erasure have waited for a message of after it.
                state.orphans.rename(stubs[sid], sid)
        return any(is_stub.values())

    def _users(self, events: Events) -> Ints:
        """Whose events they are, by the mapping where they name a number only."""
        if has_unmapped(events.phones, self._reference.current):
            self._reference.catch_up()
        return owners_of(events, self._reference.current)

    def _look_up(self, state: WorkingSet, stubs: dict[bytes, bytes]) -> None:
        """Fetch stubs and messages that are no longer in memory; erased ones become stubs."""
        sids, names = list(stubs), list(stubs.values())
        is_absent = (state.messages.find(sids) < 0) & (state.messages.find(names) < 0)
        maybe = self._sids.maybe(hashes_of(sids)) | self._sids.maybe(hashes_of(names))
        asked = [
            name
            for place in np.flatnonzero(is_absent & maybe).tolist()
            for name in (sids[place], names[place])
        ]
        if asked:
            metrics.LOOKUPS.labels("stubs").inc()
            state.messages.load(self._store.messages(state.source, asked))
            forget_messages(state.messages, state.cuts, self._stub_of)
