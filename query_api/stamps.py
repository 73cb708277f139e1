"""What an answer was computed from, as a value that changes whenever the tables do.

Asked before every answer, so it has to be cheap: a few times a second, however many ask, the
progress is read, and then which users the positions since the last time have changed. That goes on
beside those who ask, as long as there are any, so that a kept answer waits for nothing. Nor does a
user of whom nobody asked yet: he is given a number, and another one as soon as he changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from query_api import questions
from query_api.freshness import Freshness
from query_api.known import past_end, today_start
from query_api.progress import Progress
from query_api.questions import Asker, ErasedBefore, Rows
from query_api.versions import UserVersions
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
MAX_USERS = 100_000
"""Of these the one that was asked about first is forgotten."""
MAX_CHANGES = 10_000
"""When more rows of cells of a day were written since the last time, all users count as changed."""

Stamp = Hashable


@dataclass(frozen=True)
class Reading:
    """How the tables were: everything that `fresh` says is in an answer made after `stamp`.

    `past` changes when cells before `past_end` do, `lately` when a user's before `today_start` do,
    `latest` when any of his do; this process alone knows them. What lies before `erased_before` is
    not to be shown.
    """

    fresh: Freshness
    stamp: Stamp
    past: Stamp = None
    lately: Stamp = None
    latest: Stamp = None
    erased_before: ErasedBefore = field(default_factory=dict)


@dataclass
class _User:
    """The numbers of a user's last change: of his past, of his days before today, of anything."""

    past: int
    lately: int
    latest: int


class Stamps:
    """Reads stamps; `clock` gives epoch seconds. With `versions` those of users are the same in
    every process."""

    def __init__(
        self, asker: Asker, clock: Callable[[], float], versions: UserVersions | None = None
    ) -> None:
        self._asker = asker
        self._clock = clock
        self._versions = versions
        self._progress = Progress()
        self._read_at = float("-inf")
        self._is_forgotten = False
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
        self._round: asyncio.Task[None] | None = None

    async def of_user(self, user_id: int) -> Reading:
        """How the tables are for a user. Raises `UnavailableError`."""
        erased_before = await self.erased_before(user_id)
        # Nothing is read of a new one: whatever changes after this progress will be reported.
        user, progress = self._users.get(user_id) or self._add(user_id), self._progress
        marks = (user.past, user.lately, user.latest)
        stamp: Stamp = user.latest
        if self._versions:
            stamp = await self._versions.of(user_id, user.latest, progress)
        erased = tuple(sorted(erased_before.items()))
        return Reading(progress.fresh, (stamp, erased), *marks, erased_before)

    def _add(self, user_id: int) -> _User:
        self._changes += 1
        user = self._users[user_id] = _User(self._changes, self._changes, self._changes)
        if len(self._users) > MAX_USERS:
            forgotten = next(iter(self._users))
            del self._users[forgotten]
            self._changed.discard(forgotten)
        return user

    async def erased_before(self, user_id: int) -> ErasedBefore:
        """What is not to be shown of a user."""
        await self._keep_up()
        return dict(self._erased.get(user_id, {}))

    async def has_erased(self) -> bool:
        """Whether anything of anybody may be erased, as of a second ago or later."""
        await self._keep_up(_ERASURES_KEPT_S)
        return any(self._erased.values()) or not self._progress.limits

    def forget(self) -> None:
        """Read everything anew before the next answer."""
        self._read_at, self._is_forgotten, self._system = float("-inf"), True, None

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
        changed, self._changed = self._changed, set()
        return changed

    def took(self, seconds: float) -> None:
        """How long an answer about the system took to compute; those of one reading add up."""
        self._system_took_s += seconds
        wanted = max(self._system_took_s / _SYSTEM_SHARE, self._system_kept_s * 0.9)
        self._system_kept_s = min(max(wanted, _SYSTEM_KEPT_S[0]), _SYSTEM_KEPT_S[1])

    async def _keep_up(self, kept_s: float = KEPT_S) -> None:
        """Begin the next round where it is time, and wait for it where it is overdue."""
        if self._is_older_than(kept_s):
            asked = self._clock()
            # Shielded: the others still wait when this one is cancelled.
            await asyncio.shield(self._begin_round())
            if asked - self._read_at >= STALE_S:  # It had begun too long before, or is forgotten.
                await asyncio.shield(self._begin_round())
        elif self._is_older_than(_FRESH_S):
            self._begin_round()

    def _begin_round(self) -> asyncio.Task[None]:
        # Whoever comes between a round's end and its callbacks must not get it without waiting.
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._read())
            # Where nobody waits, nobody needs to hear of its failure: the reading grows old.
            self._round.add_done_callback(lambda done: done.cancelled() or done.exception())
        return self._round

    def _is_older_than(self, seconds: float) -> bool:
        """Whether the reading is; one of the future, by a clock that was set back, counts so."""
        return not 0 <= self._clock() - self._read_at < seconds

    async def _read(self) -> None:
        self._is_forgotten, begin = False, self._clock()
        await self._advance(today_start(begin))
        if not self._is_forgotten:
            self._read_at = begin

    async def _advance(self, day: int) -> None:
        """Read the progress, and behind the last one what is erased and which users changed."""
        before, now = self._progress, Progress.of(await questions.source_progress(self._asker))
        if now.erasures != before.erasures:
            await self._read_erasures()
        changed: Rows = []
        is_told = bool(before.limits) and now.goes_on_from(before)
        if is_told and self._users and (since := _moved(before, now)):
            changed = await questions.changed_users(self._asker, since, MAX_CHANGES + 1)
        # At the same instant, so that whoever asks gets a number of before with that progress.
        # What changed in a day that is past again, by a clock set back, was not told as past.
        if not is_told or day < self._day or len(changed) > MAX_CHANGES:
            self._users.clear()
            self._changed.clear()
        elif day > self._day:
            self._renew_past()
        self._mark(changed)
        self._progress, self._day = now, day

    async def _read_erasures(self) -> None:
        for row in await questions.erased_users(self._asker, self._erased_ms):
            erased = self._erased.setdefault(row["user_id"], {})
            erased[row["source"]] = row["position"]
            # Rows become visible in another order than their times.
            self._erased_ms = row["changed_ms"] - _REREAD_MS

    def _renew_past(self) -> None:
        """Once a day: that the tables' retention takes rows away is told by nobody."""
        self._changes += 1
        for user in self._users.values():
            user.past = self._changes

    def _mark(self, changed: Rows) -> None:
        # Whoever asks meanwhile may be a little ahead of this clock.
        ahead = self._clock() + HOUR_S
        self._changes += 1
        for row in changed:
            if (user := self._users.get(row["user_id"])) is not None:
                user.latest = self._changes
                if row["day"] < past_end(ahead):
                    user.past = self._changes
                if row["day"] < today_start(ahead):
                    user.lately = self._changes
                self._changed.add(row["user_id"])


def _moved(before: Progress, now: Progress) -> dict[int, int]:
    """The sources that have moved, and from which position on."""
    return {
        source: before.limits.get(source, position(source_epoch(source), 0))
        for source, limit in now.limits.items()
        if limit != before.limits.get(source)
    }
