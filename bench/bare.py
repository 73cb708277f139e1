"""The queries of a route without the API: what ClickHouse alone needs for the same answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from clickhouse_connect.driver.client import Client

from bench.platform import Platform
from query_api import questions
from query_api.clickhouse import columns_of
from query_api.comparison import comparison_of
from query_api.cursor import CursorSigner
from query_api.freshness import freshness
from query_api.kept import KeptNumbers
from query_api.known import Known, past_end, today_start
from query_api.parameters import SystemParameters
from query_api.questions import Columns, Rows
from query_api.stamps import Reading
from query_api.system_analytics import system_analytics
from query_api.system_usage import SystemUsage
from query_api.tables import UserTables
from query_api.user_analytics import user_analytics
from query_api.user_costs import user_costs
from query_api.user_usage import UserUsage

_RETENTION_DAYS = 400
_SETTINGS = {"do_not_merge_across_partitions_select_final": 1}


class _Recorder:
    """Answers questions and remembers them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def ask(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Rows:
        self.asked.append((sql, dict(parameters)))
        found = self._client.query(sql, parameters=dict(parameters), settings=_SETTINGS)
        return list(found.named_results())

    async def columns(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Columns:
        self.asked.append((sql, dict(parameters)))
        return columns_of(self._client, sql, parameters=dict(parameters), settings=_SETTINGS)


def seconds(platform: Platform, path: str, user: int) -> float:
    """How long the queries of a route take, all at the same time, their answers left unread."""
    recorder = _Recorder(platform.client)
    asyncio.run(_answer(recorder, path, user))
    asked = recorder.asked[1:]  # without the progress, which `_answer` asked first
    clients = platform.clients(len(asked))

    def run(place: int) -> None:
        sql, parameters = asked[place]
        clients[place].raw_query(sql, parameters=parameters, settings=_SETTINGS, fmt="Native")

    with ThreadPoolExecutor(len(asked)) as threads:
        list(threads.map(run, range(len(asked))))  # the first time makes the connections
        began = time.perf_counter()
        list(threads.map(run, range(len(asked))))
        return time.perf_counter() - began


async def _nothing_erased() -> bool:
    return False


async def _answer(asker: _Recorder, path: str, user: int) -> None:
    parts = urlsplit(path)
    parameters = SystemParameters.model_validate(dict(parse_qsl(parts.query)))
    fresh, now = freshness(await questions.source_progress(asker)), time.time()
    period = parameters.period(now)
    if parts.path.startswith("/admin"):
        comparison = comparison_of(parameters, CursorSigner(b"bench"))
        system = SystemUsage(asker, KeptNumbers(0), Reading(fresh, None), now, _nothing_erased)
        await system_analytics(system, period, comparison, fresh, now)
        return
    known = Known(user, 0, 0, 0, {}, past_end(now), today_start(now))
    asked = UserUsage(UserTables(asker), KeptNumbers(0), known, fresh)
    shape = user_costs if parts.path.endswith("costs") else user_analytics
    await shape(asked, user, period, fresh, now, _RETENTION_DAYS)
