"""The ranks and outcomes of contract section 3."""

from __future__ import annotations

from typing import get_args

import pytest

from schemas.events import Status
from schemas.statuses import CANCELED, IN_FLIGHT, RANK, SETTLED_BAD, SETTLED_GOOD, STATUSES

_OUTBOUND = [
    "accepted",
    "scheduled",
    "queued",
    "sending",
    "sent",
    "partially_delivered",
    "canceled",
    "failed",
    "undelivered",
    "delivered",
    "read",
]
_INBOUND = ["receiving", "received", "read"]


@pytest.mark.parametrize("order", [_OUTBOUND, _INBOUND], ids=["outbound", "inbound"])
def test_rank_follows_the_contract(order: list[str]) -> None:
    assert sorted(order, key=RANK.__getitem__) == order


def test_every_status_of_an_event_has_one_rank() -> None:
    assert set(STATUSES) == set(get_args(Status)) == {*_OUTBOUND, *_INBOUND}
    assert sorted(RANK.values()) == list(range(len(STATUSES)))


def test_outcomes_divide_the_statuses() -> None:
    parts = [SETTLED_GOOD, SETTLED_BAD, CANCELED, IN_FLIGHT]
    assert sum(map(len, parts)) == len(STATUSES)
    assert set().union(*parts) == set(STATUSES)
    assert {"delivered", "received", "read"} == SETTLED_GOOD
    assert {"failed", "undelivered"} == SETTLED_BAD
    assert {"canceled"} == CANCELED
