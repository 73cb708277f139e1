"""ClickHouse fails under load in three ways; afterwards every number is right, by itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from schemas.settings import Settings
from streams.dlq import letters
from streams.reconcile import main as reconcile
from tests.faults.outage import (
    FIRSTS_ONLY,
    MAX_PENDING,
    MEMORY_BYTES,
    PATIENCE_S,
    READ,
    USERS,
    WITH_DUPLICATES,
    Outage,
    suffered,
)
from tests.faults.proxy import Mode
from tests.oracle import dead_letters, messages, periods, rates
from tests.oracle.answers import Oracle
from tests.oracle.compare import differences

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc"),
]


@pytest.fixture(scope="module", params=[FIRSTS_ONLY, WITH_DUPLICATES], ids=["firsts", "duplicates"])
def outage(
    request: pytest.FixtureRequest, clickhouse: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outage]:
    """The story with either traffic, told once."""
    with suffered(request.param, clickhouse, tmp_path_factory.mktemp("outage")) as outage:
        print(outage)
        yield outage


def test_the_worker_waits_and_goes_on_by_itself(outage: Outage) -> None:
    assert outage.recovered_after_s < PATIENCE_S
    assert outage.has_waited
    assert outage.parts.deaths == []


def test_inserts_were_carried_out_whose_replies_were_lost(outage: Outage) -> None:
    assert outage.lost_inserts > 0


def test_the_backlog_and_memory_stay_bounded(outage: Outage) -> None:
    assert outage.pending_most <= MAX_PENDING + READ
    if outage.traffic is FIRSTS_ONLY:
        assert outage.pending_most >= MAX_PENDING
    assert outage.memory_before > 0
    assert outage.memory_most - outage.memory_before <= MEMORY_BYTES


def test_readyz_says_that_clickhouse_refuses(outage: Outage) -> None:
    ((status, words),) = outage.unready[Mode.REFUSES]
    assert status == 503
    assert "refused" in words


def test_readyz_says_that_clickhouse_does_not_answer(outage: Outage) -> None:
    assert outage.unready[Mode.HANGS] == {(503, "no answer within 3 s")}


def test_readyz_is_content_afterwards(outage: Outage) -> None:
    assert outage.status_after == 200


def test_every_total_equals_the_oracle(outage: Outage) -> None:
    folded = messages.fold(outage.sent, rates.shipped())
    oracle = Oracle(folded)
    system = f"/admin/sms-analytics/system?time_range=7d&limit={USERS}"
    answer = outage.parts.get(system, 1, "admin")
    found = differences(answer, oracle.system(_question(answer)))
    for user in oracle.users[:10]:
        answer = outage.parts.get("/me/sms-analytics?time_range=7d", user)
        found += differences(answer, oracle.user(user, _question(answer)), f"user {user}")
    assert found == []


def test_dead_letters_are_exactly_the_poison(outage: Outage) -> None:
    found = {(letter.key, letter.value) for letter in letters(outage.kafka)}
    assert found == dead_letters.expected(outage.sent)


def test_rollups_are_the_usage_log(outage: Outage) -> None:
    settings = Settings(kafka_url=f"kafka://{outage.kafka}", clickhouse_url=outage.clickhouse_url)
    assert reconcile(settings) == 0


def _question(answer: Any) -> periods.Question:
    asked_at = datetime.fromisoformat(answer["generated_at"]).timestamp()
    as_of = datetime.fromisoformat(answer["data_as_of"]).timestamp()
    return periods.named("7d", "UTC", asked_at, round(as_of * 1000))
