"""The golden examples through the fold, each as the one record of a partition, and all at once:
what is accepted becomes a message, what is not becomes a dead letter with its own bytes."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from schemas.events import MESSAGE_RETENTION_DAYS, UsageEvent
from schemas.rates import bundled_card
from streams.core.erasure import StubSids
from streams.core.message import Reference
from streams.core.orphans import WAIT_MS
from streams.core.pricing import RateIndex, usd_rates
from streams.core.recent import MessageRows
from streams.core.seen import SidFilter
from streams.folding import ORPHAN, Folder
from streams.intake import Chunk
from streams.working_set import WorkingSet
from tests.examples import BAD, GOOD, Example, each
from tests.streams.columns import messages_of, rows_of
from tests.streams.samples import Message

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

    def messages(self, source: int, sids: Sequence[bytes]) -> MessageRows:
        return rows_of([])


def _fold(examples: Iterable[Example]) -> WorkingSet:
    store: Any = _EmptyStore()
    reference: Any = _FixedReference()
    state = WorkingSet(epoch=0, partition=3, next_offset=0, as_of_ms=0)
    records = [(example.key, example.value, example.timestamp_ms) for example in examples]
    chunk = Chunk.of(3, 0, records)
    Folder(store, SidFilter(1), reference, StubSids("a-key-of-tests").of).fold(state, chunk)
    return state


def _wait(state: WorkingSet, until_ms: int) -> None:
    """Fold one more record, a bad one, of a later time of the log."""
    store: Any = _EmptyStore()
    reference: Any = _FixedReference()
    last = Chunk.of(3, state.next_offset, [(None, None, until_ms)])
    Folder(store, SidFilter(1), reference, StubSids("a-key-of-tests").of).fold(state, last)
    assert state.dead_letters.pop(0).reason == "invalid_json"


def _messages(state: WorkingSet) -> list[Message]:
    rows = state.messages.take_dirty()
    return messages_of(rows.sids, rows.messages)


@each(_MESSAGES)
def test_good_messages_are_folded(example: Example) -> None:
    state = _fold([example])
    assert state.dead_letters == []
    (message,) = _messages(state)
    assert example.occurred_at_ms in (None, message.occurred_ms)
    assert state.next_offset == 1


@each([example for example in BAD if example.reason != ORPHAN.reason])
def test_bad_records_become_dead_letters(example: Example) -> None:
    state = _fold([example])
    assert len(state.messages) == 0
    (letter,) = state.dead_letters
    assert letter.reason == example.reason
    assert letter.detail.startswith(f"{example.detail}: " if example.detail else "")
    assert letter.detail
    assert (letter.partition, letter.offset) == (3, 0)
    assert (letter.key, letter.value) == (example.key, example.value)
    assert state.next_offset == 1


_ORPHANS = [example for example in BAD if example.reason == ORPHAN.reason]


@each([*_ORPHANS, *[example for example in GOOD if example.name in _STATUSES]])
def test_statuses_of_unknown_messages_wait_and_become_dead_letters(example: Example) -> None:
    state = _fold([example])
    _wait(state, example.timestamp_ms + WAIT_MS)
    assert state.dead_letters == []
    assert (len(state.messages), len(state.orphans)) == (0, 1)
    _wait(state, example.timestamp_ms + WAIT_MS + 1)
    (letter,) = state.dead_letters
    assert (letter.reason, letter.detail) == (ORPHAN.reason, ORPHAN.detail)
    assert (letter.partition, letter.offset) == (3, 0)
    assert (letter.key, json.loads(letter.value or b"")) == (
        example.key,
        {
            name: value
            for name, value in json.loads(example.value).items()
            if name in UsageEvent.__struct_fields__
        },
    )
    assert len(state.orphans) == 0


@pytest.mark.parametrize("seed", range(5))
def test_one_chunk_of_everything(seed: int) -> None:
    records = [*_MESSAGES, *BAD, *_MESSAGES]
    random.Random(seed).shuffle(records)
    state = _fold(records)
    letters = Counter((letter.key, letter.value, letter.reason) for letter in state.dead_letters)
    assert letters == Counter((e.key, e.value, e.reason) for e in BAD if e.reason != ORPHAN.reason)
    assert len(state.orphans) == len(_ORPHANS) == 1
    # Most of them are about one message: the first is folded, the others are its duplicates.
    sids = [message.sid for message in _messages(state)]
    assert len(sids) == len(set(sids)) > 1
