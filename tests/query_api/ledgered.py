"""An API over what a real worker made of a ledger, and the oracle that knows the ledger alone.

The traffic is seeded and has all that may happen: duplicates, disorder, receipts before their
message and without one, late events and prices, poison, MMS, several currencies, users known by
their number or not at all, numbers that always fail, an hour of excess, consent withdrawn and
granted again. Folded once, then asked as often as tests like: worker and clock stand still.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from fastapi.testclient import TestClient
from httpx import Response

from deploy.simulate.disorder import Disorder
from deploy.simulate.ledger import line_of
from deploy.simulate.population import Population, populate
from deploy.simulate.records import Record
from deploy.simulate.router import Router, Shares, traffic
from deploy.simulate.sending import Sender
from deploy.simulate.times import utc
from query_api.app import create_app
from query_api.settings import ApiSettings
from tests.oracle import ledger, messages, rates
from tests.oracle.answers import Oracle
from tests.query_api.credentials import SECRET, claims, signed
from tests.streams import harness
from tests.streams.harness import Bench

BASE = "/api/v1/analytics"
PRIVACY_KEY = "a-privacy-key-for-tests-only"
USD_PER_UNIT = {"USD": "1", "GBP": "1.2718", "SEK": "0.0951"}
_SEED, _USERS, _DAYS, _DAY_MS = 11, 40, 380, 86_400_000
_HISTORY, _TODAY = 12_000, 2_000
_SHARES = Shares(duplicates=0.05, late=0.04, poison=0.01, receipts=0.25)
_SHUFFLE = 1_500
_FOREIGN_SHARE = 0.3
STEADY, FICKLE = 3, 5
"""A user who withdraws consent, and one who grants it again later."""
UNSEEN = 999
"""A user without any message."""
Asked = tuple[int, tuple[str, ...], str, str, int]
"""A request: actor, roles, method, path, status."""


@dataclass
class Ledgered:
    """The API of a folded ledger at the instant `now`, and its oracle; `asked`: every request."""

    client: TestClient
    oracle: Oracle
    now: float
    as_of_ms: int
    asked: list[Asked] = field(default_factory=list)

    def ask(
        self, path: str, by: int = 1, *, method: str = "GET", admin: bool = False, **more: Any
    ) -> Response:
        """The response to a request of a user, or of an admin who has this id."""
        roles = ("admin", "user") if admin else ("user",)
        token = signed(claims(sub=str(by), roles=list(roles)))
        headers = {"Authorization": f"Bearer {token}"}
        answer: Response = self.client.request(method, BASE + path, headers=headers, **more)
        self.asked.append((by, roles, method, path, answer.status_code))
        return answer

    def get(self, path: str, by: int = 1, *, admin: bool = False, **parameters: Any) -> Any:
        """The JSON of a good answer."""
        answer = self.ask(path, by, admin=admin, params=parameters)
        assert answer.status_code == 200, f"{path} {parameters}: {answer.text}"
        return answer.json()


@contextmanager
def ledgered(kafka: str, clickhouse: str, directory: Path) -> Iterator[Ledgered]:
    """Send a ledger in parts, with decisions about consent between them, and fold it."""
    with harness.bench(kafka, clickhouse, directory) as bench:
        settings = ApiSettings(
            jwt_secret=SECRET,
            clickhouse_url=bench.url,
            kafka_url=f"kafka://{kafka}",
            privacy_key=PRIVACY_KEY,
            user_requests_per_minute=0,
            address_failures_per_minute=0,
        )
        asked: list[Asked] = []
        sent = _folded(bench, settings, asked)
        clock = _Clock()
        app = create_app(settings, clock=clock)
        with TestClient(app, raise_server_exceptions=False) as client:
            folded = messages.fold(sent, rates.shipped(), usd_per_unit=USD_PER_UNIT)
            found = bench.rows(
                "SELECT toUnixTimestamp64Milli(min(as_of)) FROM source_progress FINAL"
            )
            yield Ledgered(client, Oracle(folded, PRIVACY_KEY), clock(), found[0][0], asked)


class _Clock:
    """Stands still at a time with milliseconds."""

    def __init__(self) -> None:
        self._now = round(time.time(), 3)

    def __call__(self) -> float:
        return self._now


def _folded(bench: Bench, settings: ApiSettings, asked: list[Asked]) -> list[ledger.Sent]:
    """Have a worker fold everything; what was sent, in order."""
    population = populate(_SEED, _USERS)
    records = _records(population)
    parts = _cut(records, 3)
    sent: list[ledger.Sent] = []
    decisions: tuple[dict[int, bool], ...] = (
        {},
        {STEADY: False, FICKLE: False},
        {FICKLE: True},
    )
    for part, decided in zip(
        (population.mappings() + parts[0], *parts[1:]), decisions, strict=True
    ):
        sent += _decide(settings, decided, asked)
        _send(bench, part)
        sent += map(_as_sent, part)
        # A worker reads all decisions before it folds anything.
        bench.start(
            CURRENCY_RATES=json.dumps({k: v for k, v in USD_PER_UNIT.items() if k != "USD"}),
            PRIVACY_KEY=PRIVACY_KEY,
        )
        bench.finish()
        bench.terminate()
    return sent


def _decide(
    settings: ApiSettings, decided: dict[int, bool], asked: list[Asked]
) -> Iterator[ledger.Sent]:
    """Users decide about their consent, through the API."""
    with TestClient(create_app(settings)) as client:
        for user_id, analytics in decided.items():
            headers = {"Authorization": f"Bearer {signed(claims(sub=str(user_id)))}"}
            body = {"analytics": analytics}
            answer = client.put(f"{BASE}/me/consent", json=body, headers=headers)
            assert answer.status_code == 200, answer.text
            asked.append((user_id, ("user",), "PUT", "/me/consent", 200))
            value = json.dumps(body).encode()
            yield ledger.Sent(f"{user_id}:consent".encode(), value, "consent", user_id, "ZZ", None)


def _send(bench: Bench, records: list[Record]) -> None:
    sender = Sender(bench.broker, linger_ms=20)
    sender.send(records, lambda: False)
    assert sender.flush(lambda: False) == 0, sender.failures


def _as_sent(record: Record) -> ledger.Sent:
    return ledger.parse(msgspec.json.encode(line_of(record)))


def _cut(records: list[Record], parts: int) -> list[list[Record]]:
    """Parts of equal size, but the last third of the time is where most may be asked about."""
    size = -(-len(records) // parts)
    return [records[at : at + size] for at in range(0, len(records), size)]


def _records(population: Population) -> list[Record]:
    now_ms = int(time.time() * 1000)
    router = Router(_SEED, population, _SHARES, now_ms)
    start, yesterday = now_ms - _DAYS * _DAY_MS, now_ms - _DAY_MS
    disorder, records = Disorder(_SEED, _SHUFFLE), list[Record]()
    for begin, end, count in ((start, yesterday, _HISTORY), (yesterday, now_ms, _TODAY)):
        for groups in traffic(router, begin, end, count, now_ms):
            records += (record for group in disorder.through(groups) for record in group)
    records += (record for group in disorder.rest() for record in group)
    dice = random.Random(_SEED)
    records = [_in_another_currency(record, dice) for record in records]
    for record in _handmade(now_ms, dice):
        records.insert(dice.randrange(len(records)), record)
    return records


def _in_another_currency(record: Record, dice: random.Random) -> Record:
    """Some prices in USD become prices in other money."""
    value = record.value
    if record.kind == "poison" or not isinstance(value, str) or dice.random() > _FOREIGN_SHARE:
        return record
    currency = dice.choice(("GBP", "SEK"))
    value = value.replace('"price_unit":"USD"', f'"price_unit":"{currency}"')
    return Record(record.key, value, record.kind, record.user_id, record.country)


def _handmade(now_ms: int, dice: random.Random) -> Iterator[Record]:
    """What the simulated router hardly ever does."""
    for number in range(6):
        for repeat in range(3 + number):
            at_ms = now_ms - dice.randrange(60 * _DAY_MS)
            yield _message(
                f"SMfail{number}x{repeat}", 1 + number % 2, at_ms,
                status=dice.choice(("failed", "undelivered")), error_code=30003,
                country_code="GB", counterparty=f"+4479460000{number:02d}",
            )  # fmt: skip
    for number in range(60):
        at_ms = now_ms - 5 * _DAY_MS - dice.randrange(600_000)
        yield _message(
            f"SMspike{number}", 2, at_ms, segments=9, body_length=1300, country_code="DE"
        )
    for number in range(30):
        at_ms = now_ms - dice.randrange(20 * _DAY_MS)
        yield _message(
            f"SMfar{number}", 4, at_ms, status="delivered", encoding="UCS-2",
            segments=3, body_length=165, non_gsm_characters=1 + number % 4, country_code="PT",
        )  # fmt: skip
        yield _message(f"SMnear{number}", 4, at_ms, status="delivered", country_code="US")
    for number in range(20):
        at_ms = now_ms - dice.randrange(20 * _DAY_MS)
        yield _message(
            f"MMempty{number}", 1, at_ms, message_type="mms", body_length=40, country_code="US"
        )
        fields = {"type": "status", "message_sid": f"SMorphan{number}", "status": "delivered"}
        yield _record(1, "status", at_ms, fields)


def _message(sid: str, user_id: int, at_ms: int, country_code: str, **fields: Any) -> Record:
    plain = {"message_sid": sid, "direction": "outbound", "country_code": country_code}
    return _record(user_id, "message", at_ms, plain | fields, country_code)


def _record(
    user_id: int, kind: Any, at_ms: int, fields: dict[str, Any], country: str = "ZZ"
) -> Record:
    event = {"event_id": f"E{fields['message_sid']}", "user_id": user_id, "occurred_at": utc(at_ms)}
    return Record(str(user_id), json.dumps(event | fields), kind, user_id, country)
