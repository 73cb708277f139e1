"""What routes need besides their parameters, built once when the process starts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from query_api.audit import Auditor
from query_api.cache import AnswerCache
from query_api.clickhouse import ClickHousePool
from query_api.cursor import CursorSigner
from query_api.downloads import Downloads
from query_api.kept import KeptNumbers
from query_api.limits import Limiter
from query_api.metrics import Metrics
from query_api.privacy import Publisher
from query_api.readiness import Probe
from query_api.settings import ApiSettings
from query_api.stamps import Stamps
from query_api.tables import UserTables
from query_api.tokens import Tokens
from query_api.warming import Warmer


@dataclass(frozen=True)
class Backend:
    """`clock` gives the present in epoch seconds; nothing else of the API looks at a clock.

    Kept answers about the system are computed one after the other, each with `system_turn`.
    """

    settings: ApiSettings
    metrics: Metrics
    pool: ClickHousePool
    downloads: Downloads
    auditor: Auditor
    publisher: Publisher
    tokens: Tokens
    users: Limiter[int]
    stamps: Stamps
    system_turn: asyncio.Lock
    cache: AnswerCache
    numbers: KeptNumbers
    tables: UserTables
    warmer: Warmer
    signer: CursorSigner
    probe: Probe
    clock: Callable[[], float]


def backend_of(request: Request) -> Backend:
    """The backend of the app that answers."""
    backend = request.app.state.backend
    assert isinstance(backend, Backend)
    return backend


async def _backend(request: Request) -> Backend:
    # A dependency that is no coroutine would be run in a thread, for each request.
    return backend_of(request)


WithBackend = Annotated[Backend, Depends(_backend)]
