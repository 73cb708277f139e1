"""Loading and fetching rates: real Kafka, real ClickHouse, Twilio faked where it is HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.client import Client

from schemas.rates import Rate, bundled_card
from schemas.rows import RATE_UPDATES
from schemas.topics import RATE_CARD
from streams import compacted, rate_card
from streams.core.pricing import RateIndex
from streams.rate_card import Fetched, fetch, load
from streams.reference import ReferenceData
from streams.settings import PriceSettings, WorkerSettings
from tests.streams.fake_twilio import SID, TOKEN, FakeTwilio, country, fake_twilio
from tests.streams.records import send

pytestmark = pytest.mark.live
_FILE = Path(__file__).parents[2] / "schemas" / "rate_card.toml"


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PriceSettings.model_config, "env_file", None)


class World:
    """A broker, a database, a fake Twilio, and settings that join them."""

    def __init__(self, broker: str, database: str, client: Client, fake: FakeTwilio) -> None:
        self.fake = fake
        self.broker = broker
        self._client = client
        self._database = database
        self._seen = 0

    def settings(self, **changes: Any) -> PriceSettings:
        return PriceSettings(
            **{
                "kafka_url": f"kafka://{self.broker}",
                "clickhouse_url": self._database,
                "twilio_account_sid": SID,
                "twilio_auth_token": TOKEN,
                "twilio_pricing_url": self.fake.url,
            }
            | changes
        )

    def fetch(self, *only: str, is_dry: bool = False, **changes: Any) -> Fetched:
        return fetch(self.settings(**changes), only, is_dry=is_dry, sleep=lambda _: None)

    def published(self) -> list[str]:
        """The keys that were published since this was last asked."""
        records = list(compacted.read_to_end(self.broker, RATE_CARD))[self._seen :]
        self._seen += len(records)
        return [record.key().decode() for record in records]

    def updates(self) -> list[tuple[Any, ...]]:
        """Kind, outcome, countries and records of each change, in order."""
        return list(
            self._client.query(
                "SELECT kind, outcome, countries, published, detail"
                f" FROM {RATE_UPDATES} ORDER BY at"
            ).result_rows
        )

    def base_micros(self, of: str, carrier: str | None = None, direction: str = "outbound") -> int:
        """What a worker that starts now would take for a segment a minute from now."""
        reference = ReferenceData(WorkerSettings(kafka_url=f"kafka://{self.broker}"))
        reference.load()
        try:
            at_ms = int(time.time() * 1000) + 60_000
            return reference.current.rates.quote(
                of, carrier, direction, "sms", 1, at_ms
            ).base_micros
        finally:
            reference.close()


@pytest.fixture
def world(broker: str, clickhouse_database: str, clickhouse_client: Client) -> Iterator[World]:
    with fake_twilio() as fake:
        fake.countries = {
            "US": country("US", {("310", "410"): "0.0090", None: "0.0080"}, "0.0075"),
            "DE": country("DE", {("262", "01"): "0.0700"}),
            "EE": country("EE", {None: "0.0600"}, unit="EUR"),
        }
        yield World(broker, clickhouse_database, clickhouse_client, fake)


_EUR = {"currency_rates": {"EUR": "1.10"}}
_BUNDLED = len(bundled_card().rates) + 1


def test_prices_are_fetched_published_and_followed(world: World) -> None:
    fetched = world.fetch(**_EUR)
    assert (fetched.outcome, list(fetched.countries)) == ("ok", ["US", "DE", "EE"])
    keys = world.published()
    assert len(keys) == _BUNDLED + len(fetched.changes)
    assert world.base_micros("US", "310410") == 9_000
    assert world.base_micros("US", "310260") == 8_000
    assert world.base_micros("US", direction="inbound") == 7_500
    assert world.base_micros("DE") == world.base_micros("DE", "26201") == 70_000
    assert world.base_micros("EE") == 66_000
    assert world.updates() == [("fetch", "ok", 3, len(keys), "")]
    # The same prices again are no change, and one that changed is published alone.
    assert world.fetch(**_EUR).changes == []
    assert world.published() == []
    time.sleep(1.01)  # an id has the second in it
    world.fake.countries["DE"] = country("DE", {("262", "01"): "0.0650"})
    (changed, before), (of_all, _) = world.fetch(**_EUR).changes
    assert (changed.base_micros, before.base_micros) == (65_000, 70_000)
    assert world.published() == [changed.id, of_all.id]
    assert world.base_micros("DE", "26201") == 65_000
    assert [row[:4] for row in world.updates()[1:]] == [
        ("fetch", "ok", 3, 0),
        ("fetch", "ok", 3, 2),
    ]


def test_a_dry_fetch_leaves_no_trace(world: World) -> None:
    assert world.fetch("US", is_dry=True).changes
    assert world.fake.requests == {"US": 1}
    assert (world.published(), world.updates()) == ([], [])


def test_countries_fail_one_by_one(world: World) -> None:
    world.fake.faults = {"US": [(500, {})] * 99, "DE": [b"{}"]}
    fetched = world.fetch("US", "DE", "EE", "XX")
    assert (fetched.outcome, fetched.countries, fetched.changes) == ("failed", [], [])
    world.fake.faults = {"US": [(500, {})] * 99}
    fetched = world.fetch("US", "DE")
    assert (fetched.outcome, fetched.countries) == ("partial", ["DE"])
    assert world.base_micros("DE") == 70_000
    assert world.base_micros("US") == 8_300
    first, second = world.updates()
    assert first[:4] == ("fetch", "failed", 0, 0)
    for part in ("US: /v1", "(500)", "DE: ", "iso_country", "EE: price_unit", "XX: ", "404"):
        assert part in first[4]
    assert second[:3] == ("fetch", "partial", 1)


def test_when_twilio_fails_the_card_in_force_stays(world: World) -> None:
    world.fetch("DE")
    keys = world.published()
    world.fake.faults["list"] = [(503, {})] * 99
    fetched = world.fetch()
    assert (fetched.outcome, world.published()) == ("failed", [])
    assert world.base_micros("DE") == 70_000
    assert world.updates() == [
        ("fetch", "ok", 1, len(keys), ""),
        ("fetch", "failed", 0, 0, "Twilio: /v1/Messaging/Countries: 5 attempts failed (503)"),
    ]


def test_wrong_credentials_are_asked_once(world: World) -> None:
    fetched = world.fetch(*["US"] * 1, twilio_auth_token="another")
    assert "Twilio refused the credentials (401)" in fetched.failure
    assert world.fake.requests == {"US": 1}
    assert world.fetch(twilio_auth_token=None).failure.startswith("Twilio: SMS_TWILIO_ACCOUNT_SID")
    assert "another" not in str(world.updates())


def test_so_many_requests_at_once_and_no_more(world: World) -> None:
    names = [f"{a}{b}" for a in "ABCDE" for b in "ABCDE"]
    world.fake.countries = {name: country(name, {None: "0.01"}) for name in names}
    world.fake.pause_s = 0.05
    assert len(world.fetch(is_dry=True, twilio_concurrency=3).countries) == 25
    assert 1 < world.fake.most_at_once <= 3


def test_a_card_that_is_loaded(world: World) -> None:
    assert load(world.settings(), _FILE) == (_BUNDLED, [])
    shown = compacted.show(world.broker, RATE_CARD)
    exempt = msgspec.json.decode(shown.pop("exempt_error_codes"))
    assert exempt["exempt_error_codes"] == list(bundled_card().exempt.exempt_error_codes)
    assert {key: msgspec.json.decode(value, type=Rate) for key, value in shown.items()} == {
        one.id: one for one in bundled_card().rates
    }
    assert world.updates() == [("load", "ok", 0, _BUNDLED, "rate_card.toml")]


def test_a_bad_card_is_not_published(world: World, tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text(_FILE.read_text().replace("base_micros = 8300", "base_micros = -1", 1))
    with pytest.raises(ValueError, match="base_micros"):
        load(world.settings(), path)
    assert (world.published(), world.updates()) == ([], [])


def _card_from(text: str, moment: datetime) -> str:
    return text.replace("2024-01-01T00:00:00Z", moment.isoformat(timespec="seconds"))


def test_a_card_that_begins_later_and_prices_that_begin_now(world: World, tmp_path: Path) -> None:
    """Until then Twilio's prices count, with fees and MMS of the bundled card."""
    path = tmp_path / "card.toml"
    soon = datetime.now(UTC) + timedelta(hours=1)
    dear = _FILE.read_text().replace("base_micros = 8300", "base_micros = 9999")
    path.write_text(_card_from(dear, soon))
    load(world.settings(), path)
    assert world.base_micros("US") == 8_300
    world.fetch("US")
    index = rate_card.index_in_force(world.settings())
    now_ms, later_ms = (int(at.timestamp() * 1000) for at in (datetime.now(UTC), soon))
    bundled = RateIndex(bundled_card())
    for at_ms, sms in ((now_ms + 1000, 9_000), (later_ms, 9_999)):
        quote = index.quote("US", "310410", "outbound", "sms", 1, at_ms)
        was = bundled.quote("US", "310410", "outbound", "sms", 1, at_ms)
        assert quote.base_micros == sms
        assert (quote.carrier_micros, quote.failed_micros) == (
            was.carrier_micros,
            was.failed_micros,
        )
        assert (
            index.quote("DE", None, "outbound", "mms", 1, at_ms).base_micros
            == bundled.quote("DE", None, "outbound", "mms", 1, at_ms).base_micros
        )
    assert index.exempt == bundled.exempt
    assert world.base_micros("US", "310410") == 9_000


def test_a_card_without_a_fallback_is_told(world: World, tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    text = _FILE.read_text()
    start = text.index('[[rates]]\nid = "any-sms-in"')
    path.write_text(text[:start])
    assert load(world.settings(), path)[1] == ["inbound sms", "inbound mms", "outbound mms"]


def test_a_broken_record_of_the_topic_is_left_out(world: World) -> None:
    send(world.broker, [(b"bad", b"{}"), (b"exempt_error_codes", b"[]")], RATE_CARD)
    assert rate_card.in_force(world.settings()) == bundled_card()
    world.published()
    fetched = world.fetch("DE")
    assert len(world.published()) == _BUNDLED + len(fetched.changes)
