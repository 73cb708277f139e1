"""The simulated traffic: seeded, in the shares asked for, valid where it says so."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from itertools import pairwise

import msgspec
import pytest

from deploy.simulate.population import populate
from deploy.simulate.records import Record
from deploy.simulate.router import Router, Shares, traffic
from schemas.events import MAX_EVENT_BYTES, UsageEvent

NOW_MS = 1_795_000_000_000
DAY_MS = 86_400_000
MIXED = Shares(duplicates=0.05, late=0.02, poison=0.01, receipts=0.3)


def records_of(
    shares: Shares = MIXED, count: int = 20_000, seed: int = 3, days: int = 1
) -> list[Record]:
    population = populate(seed, 200)
    router = Router(seed, population, shares, NOW_MS)
    batches = traffic(router, NOW_MS - days * DAY_MS, NOW_MS, count, NOW_MS)
    return [record for groups in batches for group in groups for record in group]


@pytest.fixture(scope="module")
def mixed() -> list[Record]:
    return records_of()


def test_same_arguments_give_the_same_records(mixed: list[Record]) -> None:
    assert records_of() == mixed


def test_another_seed_gives_other_records(mixed: list[Record]) -> None:
    assert not {record.value for record in records_of(seed=4)} & {
        record.value for record in mixed if record.kind == "message"
    }


@pytest.mark.parametrize("count", [1, 7, 999, 20_000])
def test_gives_exactly_as_many_records_as_asked_for(count: int) -> None:
    assert len(records_of(count=count)) == count


def test_shares_are_shares_of_all_records(mixed: list[Record]) -> None:
    kinds = Counter(record.kind for record in mixed)
    assert kinds["duplicate"] == pytest.approx(1000, rel=0.15)
    assert kinds["late"] == pytest.approx(400, rel=0.2)
    assert kinds["poison"] == pytest.approx(200, rel=0.3)
    assert kinds["status"] == pytest.approx(6000, rel=0.05)


@pytest.mark.parametrize("shares", [{"poison": -0.1}, {"late": 0.5, "duplicates": 0.5}])
def test_shares_that_leave_no_messages_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="shares"):
        Shares(**shares)


def test_everything_but_poison_is_valid_and_of_its_key(mixed: list[Record]) -> None:
    decoder = msgspec.json.Decoder(UsageEvent)
    for record in mixed:
        if record.kind == "poison":
            continue
        assert isinstance(record.value, str)
        assert len(record.value.encode()) <= MAX_EVENT_BYTES
        event = decoder.decode(record.value)
        names = {event.user_id, event.phone_number} - {msgspec.UNSET}
        assert {str(name) for name in names} == {record.key}
        assert (event.type == "status") is (record.kind == "status")


def test_sids_differ_unless_repeated(mixed: list[Record]) -> None:
    first = [record for record in mixed if record.kind in ("message", "late")]
    assert len({json.loads(record.value or "")["message_sid"] for record in first}) == len(first)
    known = {record.value for record in first}
    assert all(record.value in known for record in mixed if record.kind == "duplicate")


def test_receipts_name_a_message_that_was_sent_under_the_same_key(mixed: list[Record]) -> None:
    keys = {}
    for record in mixed:
        if record.kind in ("message", "late"):
            keys[json.loads(record.value or "")["message_sid"]] = record.key
    receipts = [record for record in mixed if record.kind == "status"]
    assert receipts
    assert all(keys[json.loads(r.value or "")["message_sid"]] == r.key for r in receipts)


def test_some_receipts_come_twice_and_some_out_of_order() -> None:
    receipts = [
        json.loads(record.value or "")
        for record in records_of(count=5_000)
        if record.kind == "status"
    ]
    assert max(Counter(receipt["event_id"] for receipt in receipts).values()) > 1
    by_sid: dict[str, list[str]] = {}
    for receipt in receipts:
        by_sid.setdefault(receipt["message_sid"], []).append(receipt["occurred_at"])
    assert any(later < sooner for times in by_sid.values() for sooner, later in pairwise(times))


def test_user_one_is_the_heaviest(mixed: list[Record]) -> None:
    users = Counter(record.user_id for record in mixed if record.kind == "message")
    assert users.most_common(1)[0][0] == 1


def test_late_messages_of_the_longest_history_are_not_too_old() -> None:
    records = records_of(Shares(late=0.5), count=2_000, days=390)
    times = [json.loads(record.value or "")["occurred_at"] for record in records]
    oldest_ms = min(datetime.fromisoformat(time).timestamp() * 1000 for time in times)
    assert NOW_MS - 395 * DAY_MS <= oldest_ms < NOW_MS - 390 * DAY_MS


def test_messages_follow_the_hours_of_the_day() -> None:
    records = records_of(Shares(), count=50_000, days=7)
    hours = Counter(
        int(json.loads(record.value or "")["occurred_at"][11:13])
        for record in records
        if record.country == "DE" and str(record.value).endswith('Z"}')
    )
    assert hours[9] > 5 * hours[1]


def test_users_known_by_phone_have_mappings_but_for_some() -> None:
    population = populate(3, 200)
    mapped = {record.key: record.user_id for record in population.mappings()}
    by_phone = [key for key in population.keys if key.startswith("+")]
    assert len(set(by_phone)) == len(by_phone) > len(mapped) > 0
    assert all(json.loads(r.value or "") == {"user_id": r.user_id} for r in population.mappings())
    counts_for = dict(zip(population.keys, population.counts_for, strict=True))
    assert all(counts_for[key] == mapped.get(key, 0) for key in by_phone)
