"""The golden examples through the decoder, alone and in batches."""

from __future__ import annotations

import random

import pytest

from schemas.events import UsageEvent
from streams.core.decode import Decoder
from streams.core.strict import Rejected
from tests.examples import BAD, GOOD, Example, each
from tests.streams.core.events import by_columns, one_by_one, plain

_DECODING = {"invalid_json", "too_large", "missing_field", "invalid_field"}
_BY_VALUE = [example for example in BAD if example.reason in _DECODING]
_EVERY = GOOD + BAD
_ALONE = Decoder()


@each(GOOD)
def test_good_examples_are_accepted(example: Example) -> None:
    decoder = Decoder()
    event = decoder.one(example.value)
    assert isinstance(event, UsageEvent), event
    (decoded,) = by_columns(decoder, [example.value])
    assert decoded == plain(event)
    assert example.occurred_at_ms in (None, plain(event).occurred_ms)


@each(_BY_VALUE)
def test_values_are_rejected(example: Example) -> None:
    rejected = _ALONE.one(example.value)
    assert isinstance(rejected, Rejected), rejected
    assert rejected.reason == example.reason
    if example.detail:
        assert rejected.detail.startswith(f"{example.detail}: ")
    else:
        assert rejected.detail


@each([example for example in BAD if example not in _BY_VALUE])
def test_the_others_decode(example: Example) -> None:
    assert isinstance(_ALONE.one(example.value), UsageEvent)


@pytest.mark.parametrize("seed", range(5))
def test_a_batch_is_decoded_as_its_records_are(seed: int) -> None:
    # Single lines take the fast path until a poison record is among them; the memo is warm in
    # the second round, so nothing that the strict decoder has refused may pass then.
    shuffle = random.Random(seed)
    examples = _EVERY[:]
    shuffle.shuffle(examples)
    alone = one_by_one(_ALONE, [example.value for example in examples])
    decoder = Decoder()
    for _ in range(2):
        start = 0
        while start < len(examples):
            end = start + shuffle.randint(1, 20)
            values = [example.value for example in examples[start:end]]
            assert by_columns(decoder, values) == alone[start:end]
            start = end


@each(BAD)
def test_one_bad_record_leaves_its_neighbours_as_they_are(example: Example) -> None:
    good = next(e for e in GOOD if e.name == "message_full").value
    values = [good, example.value, good]
    expected = one_by_one(_ALONE, values)
    decoder = Decoder()
    assert by_columns(decoder, values) == expected
    assert by_columns(decoder, values) == expected


@pytest.mark.parametrize("opening", [b"[", b'{"x":'])
@pytest.mark.parametrize("depth", [500, 10_000])
def test_nesting_never_ends_the_worker(opening: bytes, depth: int) -> None:
    good = next(e for e in GOOD if e.name == "message_minimal").value
    closing = b"]" if opening == b"[" else b"}"
    deep = good[:-1] + b', "x": ' + opening * depth + b"1" + closing * depth + b"}"
    first, second = by_columns(_ALONE, [deep, good])
    assert [second] == one_by_one(_ALONE, [good])
    assert first == second or getattr(first, "reason", None) == "invalid_json"


def test_a_tombstone_is_rejected() -> None:
    events, rejected = _ALONE.batch([None])
    assert events.sids == []
    assert [each.reason for each in rejected.values()] == ["invalid_json"]
