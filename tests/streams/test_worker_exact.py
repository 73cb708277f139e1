"""Exactly-once effect: small memory, SIGTERM, SIGKILL, a poison rule, ClickHouse away."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from schemas.rows import CELL_TABLES
from schemas.settings import Settings
from streams.clickhouse import Deaths, Store
from streams.dlq import quarantine
from tests.streams import harness
from tests.streams.harness import Bench, until
from tests.streams.proxy import proxy
from tests.streams.samples import event
from tests.streams.traffic import Traffic

pytestmark = pytest.mark.live

_LARGEST_CHUNK = 10_000


@pytest.fixture
def bench(kafka: str, clickhouse: str, tmp_path: Path) -> Iterator[Bench]:
    with harness.bench(kafka, clickhouse, tmp_path) as made:
        yield made


def test_late_events_and_old_duplicates_beyond_the_memory(bench: Bench) -> None:
    limit = 1000
    traffic = Traffic(1)
    bench.start(MAX_HOT_CELLS=limit, MAX_RECENT_MESSAGES=limit)
    for _ in traffic.parts(bench, 9_000, 3_000):
        bench.finish()
    traffic.send(bench, 2_000, duplicates=0.5)
    bench.finish()
    traffic.assert_folded(bench)
    evicted, cold = "sms_worker_evicted_cells_total", "sms_worker_cold_cells_total"
    assert bench.metric(evicted) > limit
    assert bench.metric(cold) > limit
    assert bench.metric("sms_worker_lookups_total", what="sids") > 0
    assert bench.metric("sms_worker_events_total", outcome="duplicate") > 1_000
    for table in CELL_TABLES:
        assert bench.metric("sms_worker_hot_cells", table=table) <= limit


def test_sigterm_makes_everything_durable_and_commits_it(bench: Bench) -> None:
    traffic = Traffic(2)
    traffic.send(bench, 2_000)
    bench.start(FLUSH_INTERVAL_S=60)
    until(lambda: bench.metric("sms_worker_pending_events") == 2_000, "not folded")
    assert bench.durable() == {}
    assert bench.terminate() == 0
    assert bench.durable() == bench.committed() == bench.ends()
    traffic.assert_folded(bench)


def test_sigkill_at_any_moment(bench: Bench) -> None:
    traffic, seeded = Traffic(3), random.Random(3)
    bench.start()
    for _ in range(3):
        before = sum(bench.durable().values())
        for _ in traffic.parts(bench, 6_000, 500):
            pass
        until(lambda before=before: sum(bench.durable().values()) > before, "nothing is flushed")
        for _ in traffic.parts(bench, 2_000, 500):
            pass
        time.sleep(seeded.random() * 0.3)
        bench.kill()
        durable = bench.durable()
        committed = bench.committed()
        assert all(offset <= durable[partition] for partition, offset in committed.items())
        bench.start()
    bench.finish()
    traffic.assert_folded(bench)
    assert bench.terminate() == 0
    assert bench.committed() == bench.ends()


_EVIL_WORKER = """
import sys

from streams import folding, worker

decide = folding.decide


def fail(events, *arguments):
    if b"EVIL" in events.sids:
        raise ZeroDivisionError("by the rules")
    return decide(events, *arguments)


folding.decide = fail
sys.exit(worker.main())
"""


def test_a_record_that_kills_the_worker_is_named_and_set_aside(
    bench: Bench, tmp_path: Path
) -> None:
    script = tmp_path / "evil_worker.py"
    script.write_text(_EVIL_WORKER)
    command = (sys.executable, str(script))
    traffic = Traffic(4)
    traffic.send(bench, 500, duplicates=0, poison=0)
    evil = (b"8", event("EVIL", user_id=8, occurred_at="2026-01-01T00:00:00Z"))
    place = bench.ends()[0]
    bench.send(evil)
    traffic.send(bench, 500, duplicates=0, poison=0)
    store = Store(bench.client)
    for death in range(4):
        bench.start(command)
        until(lambda: bench.worker.exit_status is not None, "the worker does not die")
        assert bench.worker.exit_status == 70
        deaths = store.deaths(0)
        error = f"partition 0 offset {place}: ZeroDivisionError: by the rules"
        assert deaths == Deaths(place, death, error)
        assert error in bench.worker.last_line
    assert bench.committed().get(0, 0) <= place
    quarantine(Settings(clickhouse_url=bench.url), 0, place, "kills the worker")
    bench.start(command)
    bench.finish()
    bench.assert_exact(traffic.sids)
    ((letter, (record, headers)),) = bench.dead_letters().items()
    assert letter == (0, place)
    assert (record.key(), record.value()) == evil
    assert (headers["reason"], headers["detail"]) == ("quarantined", "kills the worker")


def _has_tried_again(bench: Bench, retries: float) -> bool:
    return bench.metric("sms_worker_retries_total") > retries


def test_clickhouse_away_under_load(bench: Bench) -> None:
    address = urlsplit(bench.url)
    traffic = Traffic(5)
    most_pending, pending, waiting = 5_000, "sms_worker_pending_events", "sms_worker_backpressure"
    small = {"MAX_HOT_CELLS": 1000, "MAX_RECENT_MESSAGES": 1000}
    with proxy(address.hostname or "", address.port or 0) as between:
        settings = {
            "CLICKHOUSE_URL": bench.url.replace(f":{address.port}/", f":{between.port}/"),
            "INSERT_TIMEOUT_S": 2,
            "MAX_PENDING_EVENTS": most_pending,
            "FLUSH_EVENTS": 2_000,
        }
        bench.start(**settings)
        traffic.send(bench, 2_000)
        bench.finish()
        for outage in (between.refuse, between.hang):
            outage()
            peak, retries = 0.0, bench.metric("sms_worker_retries_total")
            for _ in traffic.parts(bench, 10_000, 1_000):
                peak = max(peak, bench.metric(pending))
            until(lambda: bench.metric(waiting) == 1, "folding does not wait")
            until(partial(_has_tried_again, bench, retries), "nothing is tried again")
            assert bench.metric(pending) <= most_pending + _LARGEST_CHUNK
            assert peak <= most_pending + _LARGEST_CHUNK
            between.open()
            bench.finish()
            assert bench.metric(waiting) == 0
        between.hang()
        traffic.send(bench, 1_000)
        started = time.monotonic()
        assert bench.terminate() == 0
        assert time.monotonic() - started < 12
        between.open()
        bench.start(**settings, **small)
        bench.finish()
        between.refuse()  # now folding itself has to read what is no longer in memory
        traffic.send(bench, 2_000, duplicates=0.3)
        until(lambda: bench.metric("sms_worker_retries_total", what="reading ClickHouse") > 1, "")
        between.open()
        bench.finish()
    traffic.assert_folded(bench)
