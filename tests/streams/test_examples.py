"""The golden examples through the fold, each as the one record of a partition, and all at once:
what is accepted becomes a message, what is not becomes a dead letter with its own bytes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from schemas.events import MESSAGE_RETENTION_DAYS
from schemas.rates import bundled_card
from streams.core.message import Message, Reference
from streams.core.pricing import RateIndex, usd_rates
from streams.core.seen import SidFilter
from streams.folding import Chunk, Folder
from streams.working_set import WorkingSet
from tests.examples import BAD, GOOD, Example, each

_REFERENCE = Reference(
    rates=RateIndex(bundled_card()),
    users={},
    withdrawn=frozenset(),
    usd_rates=usd_rates({}),
    country_of=lambda number: None,
    hash_of=lambda number: 1,
    retention_days=MESSAGE_RETENTION_DAYS,
)
_STATUSES = {example.name for example in GOOD if example.name.startswith("status_")}
_MESSAGES = [example for example in GOOD if example.name not in _STATUSES]


class _FixedReference:
    """Reference data that nobody publishes to."""

    current = _REFERENCE

    def catch_up(self) -> None:
        """There is nothing more to be read."""


class _EmptyStore:
    """A ClickHouse that nothing was ever written to."""

    def messages(self, source: int, sids: Sequence[str]) -> dict[str, Message]:
        return {}


def _fold(examples: Iterable[Example]) -> WorkingSet:
    store: Any = _EmptyStore()
    reference: Any = _FixedReference()
    state = WorkingSet(epoch=0, partition=3, next_offset=0, as_of_ms=0)
    records = list(examples)
    chunk = Chunk(
        1,
        3,
        list(range(len(records))),
        [example.key for example in records],
        [example.value for example in records],
        [example.timestamp_ms for example in records],
    )
    Folder(store, SidFilter(1), reference).fold(state, chunk)
    return state


@each(_MESSAGES)
def test_good_messages_are_folded(example: Example) -> None:
    state = _fold([example])
    assert state.dead_letters == []
    (message,) = state.messages
    assert example.occurred_at_ms in (None, message.occurred_ms)
    assert state.next_offset == 1


@each(BAD)
def test_bad_records_become_dead_letters(example: Example) -> None:
    state = _fold([example])
    assert state.messages == []
    (letter,) = state.dead_letters
    assert letter.reason == example.reason
    assert letter.detail.startswith(f"{example.detail}: " if example.detail else "")
    assert letter.detail
    assert (letter.partition, letter.offset) == (3, 0)
    assert (letter.key, letter.value) == (example.key, example.value)
    assert state.next_offset == 1


@each([example for example in GOOD if example.name in _STATUSES])
def test_statuses_of_unknown_messages_wait(example: Example) -> None:
    state = _fold([example])
    assert state.dead_letters == []
    assert len(state.orphans) == 1


@pytest.mark.parametrize("seed", range(5))
def test_one_chunk_of_everything(seed: int) -> None:
    records = [*_MESSAGES, *BAD, *_MESSAGES]
    random.Random(seed).shuffle(records)
    state = _fold(records)
    letters = Counter((letter.key, letter.value, letter.reason) for letter in state.dead_letters)
    assert letters == Counter((e.key, e.value, e.reason) for e in BAD)
    # Most of them are about one message: the first is folded, the others are its duplicates.
    sids = [message.sid for message in state.messages]
    assert len(sids) == len(set(sids)) > 1
