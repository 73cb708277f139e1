"""The service that the documents speak of: the same data, the same day, on every machine.

Seeded events of three months before a fixed noon, through the worker's own rules and sink into the
real ClickHouse, and the API over them on an address of its own, with its clock standing still.
"""

from __future__ import annotations

import json
import random
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import uvicorn
from clickhouse_connect.driver.client import Client

from deploy.data_dir import DataDirectory
from query_api.app import create_app
from query_api.settings import ApiSettings
from schemas.rates import bundled_card
from schemas.units import source
from streams.clickhouse import Store, connect
from streams.core.erasure import StubSids
from streams.core.message import Reference
from streams.core.pricing import RateIndex, usd_rates
from streams.core.seen import SidFilter
from streams.folding import Folder
from streams.intake import Chunk
from streams.numbers import NumberHash, country_of
from streams.sink import Sink
from streams.working_set import WorkingSet

NOW = datetime(2026, 11, 3, 12, 34, 56, tzinfo=UTC)
ADDRESS = "127.0.0.1:8000"
"""Where the documents say that the API is."""
_NOW_MS = int(NOW.timestamp() * 1000)
_KEYS = {"jwt.secret": "development-" + "0123456789abcdef" * 3, "privacy.key": "0123456789abcdef"}
_DAYS, _USERS, _DAY_MS = 91, 8, 86_400_000
_OF_USER_ONE = 0.6


@dataclass(frozen=True)
class Service:
    """A running API at `address` (host and port); commands of documents run in `directory`."""

    address: str
    directory: Path


@contextmanager
def service(database: str, kafka: str, directory: Path) -> Iterator[Service]:
    """Fill an empty database and serve it; `directory` becomes like the project's."""
    data = _laid_out(directory)
    with connect(database, 30) as client:
        _keep_old_rows(client)
        _fill(client, database, data.privacy_key())
    settings = ApiSettings(
        jwt_secret=data.jwt_secret(),
        privacy_key=data.privacy_key(),
        clickhouse_url=database,
        kafka_url=f"kafka://{kafka}",
    )
    with _served(settings) as address:
        yield Service(address, directory)


def _laid_out(directory: Path) -> DataDirectory:
    (directory / ".venv").symlink_to(sys.prefix)
    data = DataDirectory(directory / ".sms-analytics")
    with data.held():
        for name, key in _KEYS.items():
            (data.path / name).write_text(key)
    return data


def _keep_old_rows(client: Client) -> None:
    """The day of the documents will be long ago; the tables would drop its rows."""
    found = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND "
        "create_table_query LIKE '% TTL %'"
    )
    for (table,) in found.result_rows:
        client.command(f"ALTER TABLE {table} REMOVE TTL")


def _fill(client: Client, database: str, privacy_key: str) -> None:
    reference = Reference(
        RateIndex(bundled_card()), {}, frozenset(), usd_rates({}), country_of,
        NumberHash(privacy_key).of, 400,
    )  # fmt: skip
    known = cast(Any, type("Known", (), {"current": reference, "catch_up": lambda self: None})())
    records = list(_records())
    state = WorkingSet(epoch=0, partition=0, next_offset=0, as_of_ms=0)
    folder = Folder(Store(client), SidFilter(1), known, StubSids(privacy_key).of)
    folder.fold(state, Chunk.of(0, 0, records))
    assert not state.dead_letters, state.dead_letters[0]
    assert state.source == source(0, 0)
    state.checked(len(records), _NOW_MS - 500)
    sink = Sink(lambda: connect(database, 30), cast(Any, None), "documents", 1)
    sink.flush([state.snapshot()], threading.Event())


def _records() -> Iterator[tuple[bytes, bytes, int]]:
    """Messages, then their receipts, as the log has them."""
    dice = random.Random(8)
    events = []
    for number in range(2_400):
        day = int(dice.random() * _DAYS)
        hour = 8 + int(dice.random() * 12)
        at_ms = _NOW_MS // _DAY_MS * _DAY_MS - day * _DAY_MS + hour * 3_600_000
        at_ms += int(dice.random() * 3_600_000)
        if at_ms < _NOW_MS - 60_000:
            user = 1 if dice.random() < _OF_USER_ONE else 2 + int(dice.random() * (_USERS - 1))
            events += _message(dice, number, user, at_ms)
    events.sort(key=lambda event: event[0])
    for at_ms, user, fields in events:
        fields = fields | {"user_id": user, "occurred_at": _text(at_ms)}
        yield str(user).encode(), json.dumps(fields).encode(), at_ms


def _message(
    dice: random.Random, number: int, user: int, at_ms: int
) -> list[tuple[int, int, dict[str, Any]]]:
    """A message and what was heard of it: (when, whose, the fields of the event)."""
    sid = f"SM{number:032x}"
    is_inbound, is_mms = dice.random() < 0.2, dice.random() < 0.05
    segments = 1 + (dice.random() < 0.2)
    fields: dict[str, Any] = {
        "event_id": f"EV{number}",
        "message_sid": sid,
        "direction": "inbound" if is_inbound else "outbound",
        "message_type": "mms" if is_mms else "sms",
        "segments": 1 if is_mms else segments,
        "encoding": "GSM-7",
        "body_length": 20 + int(dice.random() * 130) + 90 * (segments - 1),
        "processing_time_ms": round(40 + dice.random() ** 3 * 900, 1),
        "country_code": "DE" if dice.random() < 0.15 else "US",
    }
    if is_mms:
        fields["num_media"] = 1
    if is_inbound:
        return [(at_ms, user, fields)]
    fields["counterparty"] = f"+1202555{int(dice.random() * 400):04d}"
    return [(at_ms, user, fields | {"status": "queued"}), *_receipts(dice, number, user, at_ms)]


def _receipts(
    dice: random.Random, number: int, user: int, at_ms: int
) -> Iterator[tuple[int, int, dict[str, Any]]]:
    said: dict[str, Any] = {"type": "status", "message_sid": f"SM{number:032x}"}
    luck, later_ms = dice.random(), 1_000 + int(dice.random() * 9_000)
    if luck < 0.06:
        outcome = {"status": "failed", "error_code": 30005 if luck < 0.04 else 30007}
    elif luck < 0.1:
        outcome = {"status": "sent"}
    else:
        outcome = {"status": "delivered"}
    if dice.random() < 0.6 and outcome["status"] == "delivered":
        outcome["price"] = "-0.00790"
    yield at_ms + later_ms, user, said | {"event_id": f"RC{number}"} | outcome


def _text(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def _served(settings: ApiSettings) -> Iterator[str]:
    app = create_app(settings, clock=NOW.timestamp)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive(), "the API does not start"
            assert time.monotonic() < deadline, "the API does not start"
            time.sleep(0.02)
        yield f"{host}:{port}"
        server.should_exit = True
        thread.join(20)
