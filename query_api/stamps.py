"""What an answer was computed from, as a value that changes whenever the tables do.

Asked before every answer, so it has to be cheap: a few times a second, however many ask, the
progress is read, and then which users the positions since the last time have changed. That goes on
beside those who ask, as long as there are any, so that a kept answer waits for nothing. Only a
user of whom nobody asked yet is looked up, all who wait in one query.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from query_api import questions
from query_api.freshness import Freshness
from query_api.known import MOST_FEW, past_end, today_start
from query_api.progress import Progress, Seen
from query_api.questions import Asker, ErasedBefore
from query_api.zones import HOUR_S
from schemas.units import position, source_epoch

_FRESH_S = 0.2
"""So long after a reading the next one begins, for whoever asks then."""
KEPT_S = 0.5
"""So old may a reading be; beyond it whoever asks waits for the next one."""
_SYSTEM_KEPT_S = (1.0, 5.0)
_SYSTEM_SHARE = 0.05
"""Of the time that questions about the system take to be computed again and again; at most, but
for the longest that a reading is kept."""
_REREAD_MS = 60_000
_ERASURES_KEPT_S = 1.0
STALE_S = KEPT_S + _ERASURES_KEPT_S
"""An erasure that was written so long ago is in every stamp, of every process."""
_SEEN_S = 2.0
"""What was read before rarely changes within so long."""
MAX_USERS = 100_000
"""Of these the one that was looked up first is forgotten."""
MAX_CHANGES = 10_000
"""When more users changed since the last time, all are looked up again as they are asked about."""

Stamp = Hashable


@dataclass(frozen=True)
class Reading:
    """How the tables were: everything that `fresh` says is in an answer made after `stamp`.

    `past` changes when cells before `past_end` do, `lately` when a user's before `today_start` do;
    this process alone knows them. `has_few`: whether the user had at most `MOST_FEW` messages when
    he was looked up, today.
    """

    fresh: Freshness
    stamp: Stamp
    past: Stamp = None
    lately: Stamp = None
    has_few: bool = False


@dataclass
class _User:
    """A user's marks by source, and the number of the last change of his past, and of his days
    before today; how many messages he had at most when he was looked up."""

    past: int
    lately: int
    messages: int = 0
    marks: dict[int, int] = field(default_factory=dict)


class Stamps:
    """Reads stamps; `clock` gives epoch seconds."""

    def __init__(self, asker: Asker, clock: Callable[[], float]) -> None:
        self._asker = asker
        self._clock = clock
        self._progress = Progress()
        self._read_at = float("-inf")
        self._day = 0
        self._system: Reading | None = None
        self._system_turn = asyncio.Lock()
        self._system_at = 0.0
        self._system_erasures = ""
        self._system_kept_s = _SYSTEM_KEPT_S[0]
        self._system_took_s = 0.0
        # Users without cells have an entry, too.
        self._users: dict[int, _User] = {}
        self._changes = 0
        self._changed: set[int] = set()
        # By user and source: before which position everything is erased.
        self._erased: dict[int, dict[int, int]] = {}
        self._erased_ms = 0
        self._waiting: set[int] = set()
        self._round: asyncio.Task[None] | None = None

    async def of_user(self, user_id: int) -> Reading:
        """The marks of a user's cells."""
        if user_id not in self._users:
            self._waiting.add(user_id)  # So that a round that is overdue looks him up as well.
        await self._keep_up()
        while (user := self._users.get(user_id)) is None:
            self._waiting.add(user_id)
            await self._next_round()
        erased = {-1 - source: at for source, at in self.erased_before(user_id).items()}
        stamp = tuple(sorted((user.marks | erased).items()))
        has_few = user.messages <= MOST_FEW
        return Reading(self._progress.fresh, stamp, user.past, user.lately, has_few)

    def seen(self, user_id: int) -> Seen | None:
        """How the tables are at least, where a user has to be looked up: what begins to be read of
        him meanwhile is good if it `holds` then. None where it hardly would."""
        if user_id in self._users or self._is_older_than(_SEEN_S) or not self._progress.limits:
            return None
        return Seen(self._progress, dict(self.erased_before(user_id)))

    def holds(self, seen: Seen, user_id: int) -> bool:
        """Whether what was read of a user after `seen` is what one reads after his stamp of now."""
        user = self._users.get(user_id)
        return (
            user is not None
            and all(seen.progress.agrees(*marked) for marked in user.marks.items())
            and seen.erased_before == self.erased_before(user_id)
        )

    def erased_before(self, user_id: int) -> ErasedBefore:
        """What is not to be shown of a user, as it was read for `of_user`."""
        return self._erased.get(user_id, {})

    async def has_erased(self) -> bool:
        """Whether anything of anybody may be erased, as of a second ago or later."""
        await self._keep_up(_ERASURES_KEPT_S)
        return any(self._erased.values()) or not self._progress.limits

    def forget(self) -> None:
        """Read everything anew before the next answer."""
        self._read_at, self._system = float("-inf"), None

    async def of_system(self) -> Reading:
        """The positions up to which the system's totals have come, at most once a second.

        Less often where answers about the system take long (`took`), but an erasure changes them
        within `_ERASURES_KEPT_S`.
        """
        async with self._system_turn:
            age = self._clock() - self._system_at
            is_kept = self._system is not None and 0 <= age < self._system_kept_s
            await self._keep_up(_ERASURES_KEPT_S if is_kept else KEPT_S)
            is_same = self._system_erasures == self._progress.erasures
            if self._system is None or not (is_kept and is_same):
                self._system = await self._read_system()
            return self._system

    async def _read_system(self) -> Reading:
        progress, read_at = self._progress, self._read_at
        # Whoever asks meanwhile may be a little ahead of this clock.
        rows = await questions.system_stamps(self._asker, past_end(self._clock() + HOUR_S))
        past = tuple((row["source"], progress.mark(row["source"], row["newest"])) for row in rows)
        self._system_at, self._system_erasures = read_at, progress.erasures
        self._system_took_s = 0.0
        return Reading(progress.fresh, (*sorted(progress.limits.items()), progress.erasures), past)

    def take_changed(self) -> set[int]:
        """The known users that have changed since this was called last."""
        changed, self._changed = self._changed & self._users.keys(), set()
        return changed

    def took(self, seconds: float) -> None:
        """How long an answer about the system took to compute; those of one reading add up."""
        self._system_took_s += seconds
        wanted = max(self._system_took_s / _SYSTEM_SHARE, self._system_kept_s * 0.9)
        self._system_kept_s = min(max(wanted, _SYSTEM_KEPT_S[0]), _SYSTEM_KEPT_S[1])

    async def _keep_up(self, kept_s: float = KEPT_S) -> None:
        """Begin the next round where it is time, and wait for it where it is overdue."""
        if self._is_older_than(kept_s):
            await self._next_round()
        elif self._is_older_than(_FRESH_S):
            self._begin_round()

    def _begin_round(self) -> asyncio.Task[None]:
        # Whoever comes between a round's end and its callbacks must not get it without waiting.
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._read())
            self._round.add_done_callback(self._ended)
        return self._round

    def _ended(self, done: asyncio.Task[None]) -> None:
        """Go on where the round only looked users up, once they have had their answers."""
        # Who waits is told of a failure; where nobody does, the reading grows old.
        if not done.cancelled() and done.exception() is None and self._is_older_than(_FRESH_S):
            asyncio.get_running_loop().call_later(_FRESH_S, self._go_on)

    def _go_on(self) -> None:
        if self._is_older_than(_FRESH_S):
            self._begin_round()

    def _is_older_than(self, seconds: float) -> bool:
        """Whether the reading is; one of the future, by a clock that was set back, counts so."""
        return not 0 <= self._clock() - self._read_at < seconds

    async def _next_round(self) -> None:
        # Shielded: the others still wait when this one is cancelled.
        await asyncio.shield(self._begin_round())

    async def _read(self) -> None:
        """Read what is no longer current, then the users who began to wait meanwhile.

        Whoever is not known yet need not wait for more than his own marks, where the reading will
        do: they only have to be read after it.
        """
        if self._is_older_than(KEPT_S if self._waiting - self._users.keys() else _FRESH_S):
            begin = self._clock()
            await self._advance()
            self._read_at, day = begin, today_start(begin)
            # A user may have become one of many messages; or nothing says who changes.
            if day != self._day or not self._progress.limits:
                self._users.clear()
            self._day = day
        unknown, self._waiting = self._waiting - self._users.keys(), set()
        if unknown:
            await self._look_up(unknown)

    async def _advance(self) -> None:
        """Read the progress and, behind the last one, the users that changed."""
        before, now = self._progress, Progress.of(await questions.source_progress(self._asker))
        since = {
            source: before.limits.get(source, position(source_epoch(source), 0))
            for source, limit in now.limits.items()
            if limit != before.limits.get(source)
        }
        if since and self._users:
            rows = await questions.changed_users(self._asker, since, MAX_CHANGES + 1)
            if len(rows) > MAX_CHANGES:
                self._users.clear()
            # Whoever asks meanwhile may be a little ahead of this clock.
            ahead = self._clock() + HOUR_S
            self._changes += 1
            for row in rows:
                if (user := self._users.get(row["user_id"])) is not None:
                    user.marks[row["source"]] = now.mark(row["source"], row["newest"])
                    if row["oldest"] < past_end(ahead):
                        user.past = self._changes
                    if row["oldest"] < today_start(ahead):
                        user.lately = self._changes
                    self._changed.add(row["user_id"])
        if now.erasures != before.erasures:
            rows = await questions.erased_users(self._asker, self._erased_ms)
            for row in rows:
                erased = self._erased.setdefault(row["user_id"], {})
                erased[row["source"]] = row["position"]
                # Rows become visible in another order than their times.
                self._erased_ms = row["changed_ms"] - _REREAD_MS
        self._progress = now

    async def _look_up(self, users: set[int]) -> None:
        rows = await questions.user_stamps(self._asker, sorted(users))
        self._changes += 1
        found = {user: _User(self._changes, self._changes) for user in users}
        for row in rows:
            mark = self._progress.mark(row["source"], row["newest"])
            user = found[row["user_id"]]
            user.marks[row["source"]] = mark
            user.messages += row["messages"]
        self._users |= found
        while len(self._users) > MAX_USERS:
            del self._users[next(iter(self._users))]
