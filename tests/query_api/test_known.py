"""Where the parts of time end, and which pieces of a range lie in them."""

from __future__ import annotations

import pytest

from query_api.known import LATELY, PAST, TODAY, Known, Part, past_end, today_start
from query_api.zones import DAY_S

_NOW = 100 * DAY_S + 5_000
_USER = Known(7, "past", "lately", "latest", {}, past_end(_NOW), today_start(_NOW))


def test_the_past_ends_at_midnight_before_the_72_hours_of_receipts() -> None:
    assert (past_end(_NOW), today_start(_NOW)) == (96 * DAY_S, 100 * DAY_S)
    assert past_end(101 * DAY_S - 0.5) == 96 * DAY_S
    assert _NOW - past_end(_NOW) > 72 * 3600


@pytest.mark.parametrize(
    ("start_day", "end_day", "pieces"),
    [
        (90, 101, {PAST: (90, 96), LATELY: (96, 100), TODAY: (100, 101)}),
        (90, 96, {PAST: (90, 96)}),
        (90, 98, {PAST: (90, 96), LATELY: (96, 98)}),
        (97, 100, {LATELY: (97, 100)}),
        (99, 102, {LATELY: (99, 100), TODAY: (100, 102)}),
        (100, 101, {TODAY: (100, 101)}),
    ],
)
def test_the_pieces_of_a_range(
    start_day: int, end_day: int, pieces: dict[int, tuple[int, int]]
) -> None:
    marks = {PAST: "past", LATELY: "lately", TODAY: "latest"}
    wanted = {
        number: Part(number, marks[number], first * DAY_S, last * DAY_S)
        for number, (first, last) in pieces.items()
    }
    assert _USER.parts(start_day * DAY_S, end_day * DAY_S) == wanted
