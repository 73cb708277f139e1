"""Receipts in every order: what the cells and rows come to equals a recount of final states."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from schemas.rows import CELL_TABLES, COUNTERS, SYSTEM_1D, USER_15M
from schemas.statuses import RANK
from streams.core.erasure import StubSids
from streams.core.orphans import WAIT_MS
from streams.core.seen import SidFilter
from streams.folding import Folder
from streams.intake import Chunk
from streams.working_set import WorkingSet
from tests.streams.samples import NOON_MS, rate, rates, reference

_BASE, _CARRIER, _FEE = 100, 10, 5
_EXEMPT = 30450
_MONEY = ("base_micros", "carrier_fee_micros", "failed_fee_micros", "provisional_micros")
_SECOND_S = 1000


class _NoStore:
    """Nothing is ever cold here: being asked is a failure."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"ClickHouse is asked: {name}")


def _folder() -> Folder:
    known = reference(rates=rates(rate(), exempt=(_EXEMPT,)))
    data = SimpleNamespace(current=known, catch_up=lambda: None)
    return Folder(cast(Any, _NoStore()), SidFilter(1), cast(Any, data), StubSids("k").of)


def _event(sid: str, at_s: int, **fields: Any) -> dict[str, Any]:
    minutes, seconds = divmod(at_s, 60)
    return {
        "event_id": f"E-{sid}-{at_s}",
        "message_sid": sid,
        "user_id": 7,
        "occurred_at": f"2026-03-01T12:{minutes:02}:{seconds:02}Z",
        **fields,
    }


def _message(sid: str = "SM1", **fields: Any) -> dict[str, Any]:
    return _event(sid, 0, direction="outbound", country_code="DE", **fields)


def _receipt(status: str, at_s: int, sid: str = "SM1", **fields: Any) -> dict[str, Any]:
    return _event(sid, at_s, type="status", status=status, **fields)


def _fold(
    folder: Folder, state: WorkingSet, log: Sequence[dict[str, Any]], sizes: Sequence[int]
) -> None:
    """Fold a log from where the working set stands, in chunks of these sizes, repeated."""
    for size in itertools.cycle(sizes):
        start = state.next_offset
        part = log[start : start + size]
        if not part:
            return
        records = [
            (b"7", json.dumps(event).encode(), event.get("record_ms", NOON_MS)) for event in part
        ]
        folder.fold(state, Chunk.of(0, start, records))


def _expected(log: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The final state of each message, recounted from all that was ever said of it."""
    said: dict[str, list[dict[str, Any]]] = {}
    own: dict[str, dict[str, Any]] = {}
    for event in log:
        if event.get("type") != "status":
            if event["message_sid"] in own:
                continue
            own[event["message_sid"]] = event
        said.setdefault(event["message_sid"], []).append(event)
    return {sid: _final(event, said[sid]) for sid, event in own.items()}


def _final(own: dict[str, Any], said: Sequence[dict[str, Any]]) -> dict[str, Any]:
    current = max(said, key=lambda event: RANK[event.get("status", "sent")])
    status, code = current.get("status", "sent"), current.get("error_code")
    prices = [event for event in said if "price" in event]
    newest = max((event["occurred_at"] for event in prices), default="")
    price = next((e["price"] for e in reversed(prices) if e["occurred_at"] == newest), None)
    base, carrier = _BASE, _CARRIER
    if price is not None:
        base, carrier = round(abs(float(price)) * 1_000_000), 0
    elif status == "failed":
        base = carrier = 0
    fee = _FEE if status == "failed" and code != _EXEMPT else 0
    if status == "canceled":
        base = carrier = fee = 0
    delivered = [e["occurred_at"] for e in said if e is not own and e["status"] == "delivered"]
    latency = None
    if delivered:
        minutes, seconds = delivered[0][14:16], delivered[0][17:19]
        latency = (int(minutes) * 60 + int(seconds)) * _SECOND_S
    return {
        "status": status,
        "code": code,
        "base_micros": base,
        "carrier_fee_micros": carrier,
        "failed_fee_micros": fee,
        "provisional_micros": 0 if price is not None else base + carrier,
        "latency_ms": latency,
    }


def _row(final: dict[str, Any]) -> tuple[Any, ...]:
    code, latency = final["code"], final["latency_ms"]
    money = (final[name] for name in _MONEY)
    status = RANK[final["status"]] + 1
    return status, code is not None, code or 0, *money, -1 if latency is None else latency


def _assert_counts(state: WorkingSet, log: Sequence[dict[str, Any]]) -> None:
    """Every message's row is its final state, and every table's sums are those of all."""
    expected = _expected(log)
    finals = list(expected.values())
    rows = state.messages.rows[state.messages.find([sid.encode() for sid in expected])]
    names = ("status", "has_error", "error_code", *_MONEY, "latency_ms")
    assert rows[list(names)].tolist() == [_row(final) for final in finals]
    statuses = Counter(f"status_{final['status']}" for final in finals)
    codes = Counter(final["code"] for final in finals if final["code"] is not None)
    latencies = [final["latency_ms"] for final in finals if final["latency_ms"] is not None]
    for name in CELL_TABLES:
        most = max(latencies, default=0)
        cells = state.tables[name].take_dirty()
        assert cells is not None
        totals = dict(zip(COUNTERS, cells.counters.sum(axis=0).tolist(), strict=True))
        assert totals["messages"] == len(finals)
        found = {key: n for key, n in totals.items() if key.startswith("status_") and n}
        assert found == statuses
        for key in _MONEY:
            assert totals[key] == sum(final[key] for final in finals), key
        assert cells.counters[:, COUNTERS.index("latency_max_ms")].max(initial=0) == most
        assert totals["latency_count"] == len(latencies)
        assert totals["latency_sum_ms"] == sum(latencies)
        errors = Counter[int]()
        for key, count in zip(*cells.sparse[0][1:], strict=True):
            errors[int(key)] += int(count)
        assert errors == codes
        assert cells.sparse[2].counts.sum() == len(latencies)


_STATUSES = ("queued", "sent", "delivered", "undelivered", "failed", "canceled", "read")


@pytest.mark.parametrize("size", [1000, 173])
@pytest.mark.parametrize("count", range(5))
def test_every_order(count: int, size: int) -> None:
    """Up to four receipts in all their orders around their message, one of the events twice."""
    seeded = random.Random(count)
    orders: list[list[dict[str, Any]]] = []
    for chosen in itertools.combinations(_STATUSES, count):
        for places in itertools.permutations(range(count + 1)):
            sid = f"SM{len(orders)}"
            events = [_message(sid)] + [
                _receipt(status, 10 * at, sid, **_extras(seeded, status))
                for at, status in enumerate(chosen, 1)
            ]
            order = [events[place] for place in places]
            order.insert(seeded.randrange(count + 2), seeded.choice(order))
            orders.append(order)
    # The first events of all messages, then the second ones, and so on.
    log = [event for events in zip(*orders, strict=True) for event in events]
    folder, state = _folder(), WorkingSet(0, 0, 0, 0)
    _fold(folder, state, log, [size])
    assert len(state.orphans) == 0
    _assert_counts(state, log)


def _extras(seeded: random.Random, status: str) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if status in ("failed", "undelivered"):
        extras["error_code"] = seeded.choice([30003, _EXEMPT])
    if seeded.random() < 0.4:
        extras["price"] = f"-{seeded.randrange(1, 9)}.5"
    return extras


def _any_log(seeded: random.Random, messages: int) -> list[dict[str, Any]]:
    log: list[tuple[float, dict[str, Any]]] = []
    for number in range(messages):
        sid, at = f"SM{number}", seeded.random()
        own = {"status": "canceled", "price": "0.5"} if seeded.random() < 0.1 else {}
        log.append((at, _message(sid, **own)))
        for _ in range(seeded.randrange(5)):
            status = seeded.choice(_STATUSES)
            receipt = _receipt(status, seeded.randrange(1, 300), sid, **_extras(seeded, status))
            log += [(at + seeded.gauss(0.1, 0.2), receipt)] * seeded.choice([1, 1, 2])
    return [event for _, event in sorted(log, key=lambda entry: entry[0])]


@pytest.mark.parametrize("seed", range(10))
def test_any_log_in_any_chunks_and_replayed(seed: int) -> None:
    seeded = random.Random(seed)
    log = _any_log(seeded, 200)
    folder, state = _folder(), WorkingSet(0, 0, 0, 0)
    _fold(folder, state, log, [seeded.randint(1, 80) for _ in range(20)])
    _assert_counts(state, log)
    rows = state.messages.rows[: len(state.messages)].tobytes()
    before = [table.counters.tobytes() for table in state.tables.values()]
    for _ in range(3):
        state.next_offset = seeded.randrange(len(log))
        _fold(folder, state, log, [seeded.randint(1, 80) for _ in range(20)])
        assert [table.counters.tobytes() for table in state.tables.values()] == before
        assert state.messages.rows[: len(state.messages)].tobytes() == rows


@pytest.mark.parametrize("seed", range(10))
def test_cells_that_lag_behind_their_messages_catch_up(seed: int) -> None:
    # A worker died after it wrote the messages' rows and before it wrote all cells.
    seeded = random.Random(100 + seed)
    log = _any_log(seeded, 100)
    folder, state = _folder(), WorkingSet(0, 0, 0, 0)
    cut = seeded.randrange(1, len(log))
    _fold(folder, state, log[:cut], [17])
    lagging = {name: table for name, table in state.tables.items() if seeded.random() < 0.5}
    _fold(folder, state, log, [23])
    fresh = WorkingSet(0, 0, 0, 0)
    for name in lagging:
        state.tables[name] = fresh.tables[name]
    state.next_offset = 0
    _fold(folder, state, log, [31])
    for table in state.tables.values():
        table.is_dirty[: len(table)] = True
    _assert_counts(state, log)


def test_a_late_price_is_counted_in_the_original_bucket() -> None:
    folder, state = _folder(), WorkingSet(0, 0, 0, 0)
    later = _receipt("delivered", 30, price="-0.5")
    later["occurred_at"] = "2026-03-04T23:00:00Z"
    later["record_ms"] = NOON_MS + 84 * 3_600_000
    _fold(folder, state, [_message(), later], [1])
    for name in (USER_15M, SYSTEM_1D):
        assert len(state.tables[name]) == 1
    cells = state.tables[USER_15M].take_dirty()
    assert cells is not None
    assert cells.keys["bucket_s"].tolist() == [NOON_MS // 1000]
    assert cells.counters[0, COUNTERS.index("base_micros")] == 500_000


def test_identical_receipts_and_endless_ones_do_not_grow_the_history() -> None:
    folder, state = _folder(), WorkingSet(0, 0, 0, 0)
    log = [_message(), *[_receipt("queued", 1)] * 5]
    log += [_receipt("queued", 2 + n) for n in range(100)]
    log += [_receipt("delivered", 200), _receipt("queued", 201)]
    _fold(folder, state, log, [40])
    (history,) = state.messages.histories.values()
    assert len(history.entries) == 33
    _assert_counts(state, log)


def test_orphans_wait_72_h_of_log_time_and_then_go_to_the_dead_letters() -> None:
    folder, state = _folder(), WorkingSet(0, 0, 0, 0)
    orphan = _receipt("delivered", 5, "SM-lost", body="secret")
    other = {"record_ms": NOON_MS + WAIT_MS}
    late = _event("SM2", 0, direction="outbound", **other)
    late["occurred_at"] = "2026-03-04T12:00:00Z"
    _fold(folder, state, [orphan, late], [1])
    assert len(state.orphans) == 1
    (written,) = state.snapshot().orphans
    assert b"secret" not in written.value
    assert state.snapshot().orphans == []
    later = {**late, "message_sid": "SM3", "record_ms": NOON_MS + WAIT_MS + 1}
    lost = {**_message("SM-lost"), "record_ms": NOON_MS + WAIT_MS + 1}
    _fold(folder, state, [orphan, late, later, lost], [2])
    assert len(state.orphans) == 0
    snapshot = state.snapshot()
    assert [letter.reason for letter in snapshot.dead_letters] == ["orphan_status"]
    assert (snapshot.dead_letters[0].offset, snapshot.dead_letters[0].key) == (0, b"7")
    assert [orphan.is_gone for orphan in snapshot.orphans] == [True]
    row = int(state.messages.find([b"SM-lost"])[0])
    assert state.messages.rows["version"][row] == 3


def test_a_receipt_with_a_currency_that_has_no_rate_is_rejected() -> None:
    folder, state = _folder(), WorkingSet(0, 0, 0, 0)
    _fold(folder, state, [_message(), _receipt("sent", 1, price="1", price_unit="XXX")], [2])
    assert [letter.reason for letter in state.dead_letters] == ["unsupported_currency"]
    assert RANK["sent"] == int(state.messages.rows["status"][0]) - 1
