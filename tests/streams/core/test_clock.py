"""Time stamps to instants: truncated to ms, and what is refused, whatever was seen before."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from typing import Any, get_type_hints

import pytest

from schemas.events import UsageEvent
from streams.core.clock import Clock
from tests.streams.core.events import instant_ms

_PATTERN = get_type_hints(UsageEvent, include_extras=True)["occurred_at"].__metadata__[0].pattern


def _clock(limit: int = 1000) -> Clock:
    return Clock(re.compile(_PATTERN), limit)


def _together(clock: Clock, *texts: str) -> list[int | None]:
    instants, wrong = clock.instants_ms(texts)
    assert not instants[wrong].any()
    pairs = zip(instants.tolist(), wrong.tolist(), strict=True)
    return [None if is_wrong else instant for instant, is_wrong in pairs]


_VALID: list[Any] = [
    ("1970-01-01T00:00:00Z", 0),
    ("1970-01-01T00:00:00.9999Z", 999),
    ("1970-01-01T00:00:00.999999999Z", 999),
    ("1970-01-01T00:00:00.99999999999999999999Z", 999),
    ("1970-01-01T00:00:00.000999999Z", 0),
    ("1970-01-01T00:00:00.001000000Z", 1),
    ("1970-01-01t00:00:00.1z", 100),
    ("1970-01-01 00:00:00.12Z", 120),
    ("1970-01-01T00:00:00.1000Z", 100),
    ("1969-12-31T23:59:59.9999Z", -1),
    ("1969-12-31T23:59:59.0009Z", -1000),
    ("1970-01-01T05:45:00.000999999+05:45", 0),
    ("1970-01-01T00:00:00.9999+23:59", 999 - 1439 * 60_000),
    ("1969-12-31T20:30:00.5-03:30", 500),
    ("1970-01-01T00:00:00-00:00", 0),
    ("2024-02-29T12:00:00Z", 1_709_208_000_000),
    ("2026-03-01T13:00:00.123456789+01:00", 1_772_366_400_123),
    ("0001-01-01T00:00:00+23:59", -62_135_596_800_000 - 1439 * 60_000),
    ("9999-12-31T23:59:59.999999999-23:59", 253_402_300_799_999 + 1439 * 60_000),
]
_REFUSED = [
    "",
    "yesterday",
    "2026-03-01",
    "2026-03-01T12:00Z",
    "2026-03-01T12:00:00",
    "2026-03-01T12:00:60Z",
    "2026-03-01T12:60:00Z",
    "2026-03-01T24:00:00Z",
    "2026-02-29T00:00:00Z",
    "2026-04-31T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "2026-03-01T12:00:00.Z",
    "2026-03-01T12:00:00,5Z",
    "2026-03-01T12:00:00+24:00",
    "2026-03-01T12:00:00+0100",
    "2026-03-01T12:00:00+01",
    "2026-03-01T12:00:00Z\n",
    "2026-03-01T12:00:00 Z",
    " 2026-03-01T12:00:00Z",
    "2026-03-01T12:00: 1Z",
    "2026-03-01T12:00:+1Z",
    "2026-03-01T12:00:00.1234+01:00Z",
    "2026-03-01T12:00:00Z.1234",
    "2026-03-01T12:00:00.123.1234Z",
    "2026-03-01T12:00:00.1234\u0665Z",
    "2026-03-01T12:00:0\u0665Z",
    "20\u06656-03-01T12:00:00Z",
    "2026-W09-7T12:00:00Z",
    "2026060T12:00:00Z",
]


@pytest.mark.parametrize(("text", "expected"), _VALID)
def test_instants_are_truncated_to_milliseconds(text: str, expected: int) -> None:
    clock = _clock()
    for _ in range(2):  # by the pattern first, then from its parts
        assert _together(clock, text) == [expected]
        assert clock.instant_ms(text) == expected
    assert instant_ms(text) == expected


@pytest.mark.parametrize("text", _REFUSED)
def test_what_is_no_instant_is_refused_whatever_was_seen(text: str) -> None:
    clock = _clock()
    assert _together(clock, text) == [None]
    for minute in ("2026-02-28T00:00:", "2026-03-01T12:00:", "2026-03-01T12:59:"):
        for rest in ("Z", "+01:00", ".1Z", ".123+01:00", ".123456Z", ".0+23:59"):
            assert clock.instant_ms(f"{minute}00{rest}") is not None
    assert _together(clock, text) == [None]
    assert clock.instant_ms(text) is None


def test_valid_and_refused_ones_in_one_batch() -> None:
    seeded = random.Random(1)
    cases: list[tuple[str, int | None]] = [*_VALID, *((text, None) for text in _REFUSED)]
    clock = _clock(limit=5)
    for _ in range(50):
        some = seeded.choices(cases, k=seeded.randrange(30))
        assert _together(clock, *(text for text, _ in some)) == [instant for _, instant in some]
        if seeded.random() < 0.3:
            clock.forget()


def test_no_texts() -> None:
    assert _together(_clock()) == []


def test_parts_of_known_times_make_known_times() -> None:
    clock = _clock()
    clock.instants_ms(["2026-03-01T12:00:01.5Z", "2026-03-01T12:30:00-01:00"])
    assert _together(clock, "2026-03-01T12:30:59.5Z") == [1_772_366_400_000 + 30 * 60_000 + 59_500]


def test_any_instant_in_any_offset_with_any_digits() -> None:
    seeded = random.Random(2)
    clock = _clock()
    for _ in range(100):
        texts, expected = [], []
        for _ in range(20):
            instant = seeded.randrange(-(10**12), 4 * 10**12)
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant)
            offset = seeded.randrange(-1439, 1440)
            local = (moment + timedelta(minutes=offset)).replace(tzinfo=None)
            more = "".join(seeded.choices("0123456789", k=seeded.choice([0, 0, 3, 9])))
            sign = "-" if offset < 0 else "+"
            hours, minutes = divmod(abs(offset), 60)
            texts.append(
                f"{local.isoformat(timespec='milliseconds')}{more}{sign}{hours:02d}:{minutes:02d}"
            )
            expected.append(instant)
        assert _together(clock, *texts) == expected


def test_memos_are_bounded() -> None:
    clock = _clock(limit=20)
    for number in range(2000):
        clock.forget()
        hour, minute = divmod(number % 1440, 60)
        text = f"2026-03-01T{hour:02d}:{minute:02d}:00.{number % 1000:03d}456Z"
        assert clock.instant_ms(text) == instant_ms(text)
        memos = [memo for memo in vars(clock).values() if isinstance(memo, dict)]
        assert len(memos) == 2
        assert max(map(len, memos)) <= 21


def test_digits_beyond_milliseconds_take_no_memory() -> None:
    clock = _clock()
    for number in range(500):
        clock.instant_ms(f"2026-03-01T12:00:00.123{number:06d}Z")
    assert [len(memo) for memo in vars(clock).values() if isinstance(memo, dict)] == [1, 1]
