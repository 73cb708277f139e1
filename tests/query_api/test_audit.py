"""The audit's writer: an admin waits for his entry, a refusal for nothing, and none is lost."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from query_api.audit import MAX_WAITING, Auditor, Entry
from query_api.errors import UnavailableError
from query_api.metrics import Metrics


def _entry(number: int) -> Entry:
    return Entry(1_800_000_000.5, f"e{number}", "r", 1, ("admin",), "GET", "/x", 7, "allowed", 200)


class Table:
    """Takes rows, unless it `fails`."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.writes = 0
        self.fails: Exception | None = None

    async def write(self, table: str, lines: bytes) -> None:
        assert table == "audit_log"
        self.writes += 1
        if self.fails:
            raise self.fails
        self.rows += map(json.loads, lines.splitlines())


async def _running(auditor: Auditor, *steps: Any) -> list[Any]:
    task = asyncio.create_task(auditor.run())
    try:
        return await asyncio.gather(*steps, return_exceptions=True)
    finally:
        task.cancel()


def test_entries_of_many_requests_are_one_write() -> None:
    table = Table()
    auditor = Auditor(table, Metrics())
    asyncio.run(_running(auditor, *(auditor.record(_entry(number)) for number in range(50))))
    assert [row["entry_id"] for row in table.rows] == [f"e{number}" for number in range(50)]
    assert table.writes == 1
    assert table.rows[0]["at"] == "1800000000.500"
    assert table.rows[0]["roles"] == ["admin"]


@pytest.mark.parametrize(
    "failure", [UnavailableError("gone", reason="unreachable"), RuntimeError("odd")]
)
def test_who_cannot_be_audited_is_told_so(failure: Exception) -> None:
    table = Table()
    table.fails = failure
    auditor = Auditor(table, Metrics())
    (found,) = asyncio.run(_running(auditor, auditor.record(_entry(1))))
    assert isinstance(found, UnavailableError)


def test_refusals_wait_until_they_are_written() -> None:
    table = Table()
    table.fails = UnavailableError("gone", reason="unreachable")
    auditor = Auditor(table, Metrics())

    async def story() -> None:
        auditor.note(_entry(1))
        assert not await auditor.flush()
        auditor.note(_entry(2))
        table.fails = None
        assert await auditor.flush()

    asyncio.run(story())
    assert [row["entry_id"] for row in table.rows] == ["e1", "e2"]


def test_too_many_refusals_are_counted_and_dropped() -> None:
    metrics = Metrics()
    auditor = Auditor(Table(), metrics)
    for number in range(MAX_WAITING + 3):
        auditor.note(_entry(number))
    assert metrics.registry.get_sample_value("sms_api_audit_dropped_total") == 3


def test_what_waits_at_the_end_is_written() -> None:
    table = Table()
    auditor = Auditor(table, Metrics())
    for number in range(2500):
        auditor.note(_entry(number))
    asyncio.run(auditor.close())
    assert len(table.rows) == 2500


def test_who_left_does_not_stop_the_writer() -> None:
    table = Table()
    auditor = Auditor(table, Metrics())

    async def story() -> None:
        leaving = asyncio.create_task(auditor.record(_entry(1)))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.sleep(0)
        await _running(auditor, auditor.record(_entry(2)))

    asyncio.run(story())
    assert [row["entry_id"] for row in table.rows] == ["e1", "e2"]
