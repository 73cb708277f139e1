"""Changes of the rate card: a file that an operator loads, or the prices that Twilio has now.

Publishes to the rate-card topic, which every worker follows, and notes each change, and each fetch
that failed, in `rate_card_updates`, which `/readyz` reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from schemas.rates import Card, ExemptCodes, Rate, bundled_card, card_of
from schemas.rows import DIRECTIONS, MESSAGE_TYPES, RATE_UPDATES
from schemas.settings import Settings
from schemas.topics import RATE_CARD
from streams import compacted
from streams.card_files import read_card
from streams.clickhouse import connect
from streams.core import price_list
from streams.core.pricing import RateIndex, instant_ms, usd_rates
from streams.settings import PriceSettings
from streams.twilio import CredentialsError, PriceClient, PriceError

_LONGEST_FETCH_S = 900.0
_MOST_DETAIL = 500
_TIMEOUT_S = 30.0

Change = tuple[Rate, Rate]
"""A new rate, and the one for the same messages that was in force (itself where none was)."""


@dataclass(frozen=True)
class Fetched:
    """What came of a fetch: the countries whose prices came, what changed, and by country or for
    the whole list why prices did not come."""

    countries: Sequence[str] = ()
    changes: Sequence[Change] = ()
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def outcome(self) -> Literal["ok", "partial", "failed"]:
        """Whether everything, something or nothing came."""
        if not self.failures:
            return "ok"
        return "partial" if self.countries else "failed"

    @property
    def failure(self) -> str:
        """Every failure in one line; empty without any."""
        whys = dict.fromkeys(self.failures.values())
        by_reason = (
            f"{', '.join(key for key, why in self.failures.items() if why == reason)}: {reason}"
            for reason in whys
        )
        return "; ".join(by_reason)[:_MOST_DETAIL]


def load(settings: Settings, path: Path) -> tuple[int, list[str]]:
    """Publish a card (see `card_files`); returns the number of records, and for which messages the
    topic has no `*` rate, so that they cost nothing where no other applies. Raises ValueError."""
    card = read_card(path)
    published = _publish(settings, [*card.rates, card.exempt])
    _note(settings, "load", "ok", 0, published, path.name)
    covered = {
        (rate.direction, rate.message_type)
        for rate in in_force(settings).rates
        if rate.country == "*" and rate.mcc_mnc is None
    }
    kinds = [(direction, kind) for direction in DIRECTIONS for kind in MESSAGE_TYPES]
    return published, [" ".join(kind) for kind in kinds if kind not in covered]


def in_force(settings: Settings) -> Card:
    """The card of the topic, with the bundled one while none of the topic's rates is valid yet."""
    return _card_and_base(settings)[0]


def index_in_force(settings: Settings) -> RateIndex:
    """The card that workers price by now."""
    return RateIndex(in_force(settings), RateIndex(bundled_card()))


def fetch(
    settings: PriceSettings,
    only: Sequence[str] = (),
    *,
    is_dry: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Fetched:
    """Take over the prices that Twilio has now, of all countries or `only` some.

    They are valid from now on, and only those that changed are published; when they do not come,
    the card stays as it is, and that is noted. A dry fetch publishes and notes nothing.
    """
    started = time.monotonic()
    valid_from = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        client = PriceClient(settings, started + _LONGEST_FETCH_S, sleep)
        fetched = _ask(client, settings, only, valid_from)
    except PriceError as error:
        fetched = Fetched(failures={"Twilio": str(error)})
    if not is_dry:
        published = _publish_changes(settings, fetched.changes)
        countries = len(fetched.countries)
        _note(settings, "fetch", fetched.outcome, countries, published, fetched.failure)
    return fetched


def _ask(
    client: PriceClient, settings: PriceSettings, only: Sequence[str], valid_from: str
) -> Fetched:
    countries = list(only) or client.countries()
    rates = in_force(settings).rates
    per_unit = usd_rates(settings.currency_rates)

    def rates_of(country: str) -> list[Rate] | str:
        try:
            listed = client.prices(country)
            micros = price_list.micros_of(listed, settings.twilio_number_types, per_unit)
        except CredentialsError:
            raise
        except (PriceError, ValueError) as error:
            return str(error)
        return price_list.rates_of(country, micros, rates, valid_from)

    with ThreadPoolExecutor(settings.twilio_concurrency) as threads:
        answers = dict(zip(countries, threads.map(rates_of, countries), strict=True))
    made = [rate for answer in answers.values() if not isinstance(answer, str) for rate in answer]
    return Fetched(
        [country for country, answer in answers.items() if not isinstance(answer, str)],
        price_list.changed(made, rates, instant_ms(valid_from)),
        {country: why for country, why in answers.items() if isinstance(why, str)},
    )


def _publish_changes(settings: Settings, changes: Sequence[Change]) -> int:
    if not changes:
        return 0
    # The first valid rate of the topic ends the bundled card, whose MMS and fees are still needed.
    _, base = _card_and_base(settings)
    return _publish(settings, [*base, *(rate for rate, _ in changes)])


def _card_and_base(settings: Settings) -> tuple[Card, Sequence[Rate | ExemptCodes]]:
    """The card in force, and of it what is not published yet."""
    values = compacted.show(settings.bootstrap_servers, RATE_CARD)
    records: list[Rate | ExemptCodes] = []
    for key, value in values.items():
        try:
            if key == "exempt_error_codes":
                records.append(msgspec.json.decode(value, type=ExemptCodes))
            else:
                records.append(msgspec.json.decode(value, type=Rate))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # as the workers do, who say so in their logs
    card, now_ms = card_of(records), time.time_ns() // 1_000_000
    if any(instant_ms(rate.valid_from) <= now_ms for rate in card.rates):
        return card, ()
    bundled, taken = bundled_card(), {record.id for record in records}
    base: list[Rate | ExemptCodes] = [
        # A loaded rate of the same id begins later; it must not be overwritten.
        msgspec.structs.replace(rate, id=f"{rate.id}-bundled") if rate.id in taken else rate
        for rate in bundled.rates
    ]
    if bundled.exempt.id not in taken:
        base.append(bundled.exempt)
    return card_of([*base, *records]), base


def _publish(settings: Settings, rows: Iterable[Rate | ExemptCodes]) -> int:
    records = {row.id: msgspec.json.encode(row) for row in rows}
    return compacted.publish(settings.bootstrap_servers, RATE_CARD, records)


def _note(
    settings: Settings, kind: str, outcome: str, countries: int, published: int, detail: str
) -> None:
    client = connect(settings.clickhouse_url, _TIMEOUT_S)
    try:
        client.insert(
            RATE_UPDATES,
            [[datetime.now(UTC), kind, outcome, countries, published, detail[:_MOST_DETAIL]]],
            ["at", "kind", "outcome", "countries", "published", "detail"],
        )
    finally:
        client.close()
