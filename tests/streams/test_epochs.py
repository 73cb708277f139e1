"""Where a new epoch begins, for every way in which a log can differ from what was left."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from schemas.units import source
from streams.epochs import Begin, Case, Left, after_gaps, begins, reasons

_NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _left(partition: int, next_offset: int, end_offset: int = 0, epoch: int = 4) -> Left:
    end = max(next_offset, end_offset)
    return Left(source(epoch, partition), next_offset, end, _NOON, "id", 2)


def _case(
    logs: Mapping[int, tuple[int, int]], *left: Left, topic_id: str = "id", epoch: int = 4
) -> Case:
    """A topic whose partitions hold `[start, end)`, after a topic of two partitions."""
    starts, ends = ({p: log[side] for p, log in logs.items()} for side in (0, 1))
    by_partition = {row.source & 0xFFFF: row for row in left}
    return Case(epoch, by_partition, topic_id, len(logs), starts, ends)


def _new(*offsets: int, unread: Mapping[int, int] | None = None) -> list[Begin]:
    gone = unread or {}
    return [Begin(source(5, p), offset, gone.get(p, 0)) for p, offset in enumerate(offsets)]


_LEFT = _left(0, 10), _left(1, 20)
CASES = {
    "as it was left": (
        _case({0: (0, 10), 1: (0, 25)}, *_LEFT),
        [],
        _new(10, 20),
    ),
    "made anew": (
        _case({0: (0, 99), 1: (7, 8)}, *_LEFT, topic_id="other"),
        ["the topic was made anew (id other)"],
        _new(0, 7),
    ),
    "made anew, unread records before": (
        _case({0: (0, 0), 1: (0, 0)}, _left(0, 10, 13), _left(1, 20), topic_id="other"),
        ["the topic was made anew (id other)"],
        _new(0, 0, unread={0: 3}),
    ),
    "made anew and larger": (
        _case({0: (0, 1), 1: (0, 1), 2: (0, 1)}, *_LEFT, topic_id="other"),
        ["the topic was made anew (id other)", "3 partitions instead of 2"],
        _new(0, 0, 0),
    ),
    "made anew and smaller": (
        _case({0: (0, 1)}, *_LEFT, topic_id="other"),
        ["the topic was made anew (id other)", "1 partitions instead of 2"],
        _new(0),
    ),
    "shorter": (
        _case({0: (4, 9), 1: (0, 20)}, *_LEFT),
        ["the log became shorter in partition 0"],
        _new(4, 20),
    ),
    "shorter everywhere": (
        _case({0: (0, 0), 1: (0, 19)}, *_LEFT),
        ["the log became shorter in partitions 0, 1"],
        _new(0, 0),
    ),
    "grown": (
        _case({0: (3, 10), 1: (0, 20), 2: (0, 5)}, *_LEFT),
        ["3 partitions instead of 2"],
        _new(10, 20, 0),
    ),
    "never assigned": (_case({0: (3, 10), 1: (2, 9)}, _LEFT[0]), [], _new(10, 2)),
}


@pytest.mark.parametrize(("case", "why", "where"), CASES.values(), ids=CASES)
def test_why_and_where_the_next_epoch_begins(
    case: Case, why: list[str], where: list[Begin]
) -> None:
    assert reasons(case) == why
    assert begins(case) == where


def test_a_topic_that_is_to_grow_is_a_reason() -> None:
    case = CASES["as it was left"][0]
    assert reasons(case, 2) == []
    assert reasons(case, 4) == ["4 partitions instead of 2"]


def test_gaps_are_what_the_log_lost_unread() -> None:
    case = _case({0: (15, 30), 1: (20, 20)}, *_LEFT)
    assert case.gaps == {0: 5}
    assert after_gaps(case) == after_gaps(case, 0) == [Begin(source(4, 0), 15, 5)]
    assert after_gaps(case, 1) == []
    both = _case({0: (15, 30), 1: (23, 23)}, *_LEFT)
    assert both.gaps == {0: 5, 1: 3}
    assert after_gaps(both, 1) == [Begin(source(4, 1), 23, 3)]


def test_a_begin_in_words() -> None:
    assert str(Begin(source(5, 3), 17)) == "partition 3 goes on at offset 17"
    words = "partition 0 goes on at offset 9; 4 records are gone unread"
    assert str(Begin(source(5, 0), 9, 4)) == words
