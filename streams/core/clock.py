"""RFC 3339 texts to instants, by parts that were parsed before.

A time stamp is the minute that it begins with, the second, and the rest, of which few differ; so
most are three look-ups and two additions. Of digits beyond milliseconds nearly all differ: they
are cut off first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from streams.core.columns import Ints

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SECONDS = {f"{second:02}": second * 1000 for second in range(60)}
_BEYOND_MS = re.compile(r"(\.[0-9]{3})[0-9]+")


class Clock:
    """Instants in ms since the Unix epoch, truncated; each memo holds about `memo_limit` texts."""

    def __init__(self, pattern: re.Pattern[str], memo_limit: int) -> None:
        self._pattern = pattern
        self._memo_limit = memo_limit
        self._minutes: dict[str, int] = {}
        self._rests: dict[str, int] = {}

    def instants_ms(self, texts: Sequence[str]) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """The instant of each text, and which of the texts are not valid (0 there)."""
        minute, second, rest = self._minutes.get, _SECONDS.get, self._rests.get
        found = [
            None
            if (a := minute(t[:17])) is None
            or (b := second(t[17:19])) is None
            or (c := rest(t[19:])) is None
            else a + b + c
            for t in texts
        ]
        wrong = np.zeros(len(texts), np.bool_)
        if None in found:
            for place, instant in enumerate(found):
                if instant is None:
                    found[place] = instant = self.instant_ms(texts[place])
                    wrong[place] = instant is None
        return np.array([instant or 0 for instant in found], np.int64), wrong

    def instant_ms(self, text: str) -> int | None:
        """The instant of a text; None where its pattern or the calendar refuses it."""
        known = self._known_ms(text)
        if known is not None:
            return known
        short = _BEYOND_MS.sub(r"\1", text, count=1)
        known = self._known_ms(short)
        if known is not None:
            return known
        if self._pattern.search(text) is None:
            return None
        try:
            self._minutes[text[:17]] = _instant_ms(text[:17] + "00Z")
            self._rests[short[19:]] = _instant_ms("1970-01-01T00:00:00" + short[19:])
        except (ValueError, OverflowError):
            return None
        return self._known_ms(short)

    def _known_ms(self, text: str) -> int | None:
        minute, rest = self._minutes.get(text[:17]), self._rests.get(text[19:])
        second = _SECONDS.get(text[17:19])
        if minute is None or second is None or rest is None:
            return None
        return minute + second + rest

    def forget(self) -> None:
        """Begin a memo anew when it holds too much."""
        for memo in (self._minutes, self._rests):
            if len(memo) > self._memo_limit:
                memo.clear()


def _instant_ms(text: str) -> int:
    # fromisoformat drops digits beyond microseconds, as truncation wants.
    return (datetime.fromisoformat(text.upper()) - _EPOCH) // _MILLISECOND
