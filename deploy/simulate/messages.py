"""Messages as a router would publish them: columns drawn for a whole batch, values row by row.

Most are plain; a few use the freedom of the contract on purpose: fields left out or unknown,
pretty-printed JSON, other offsets than `Z`, more than milliseconds, amounts and times that lie
exactly between two units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deploy.simulate import fields, outcomes, prices, texts
from deploy.simulate.countries import COUNTRIES
from deploy.simulate.population import Ints, Population
from deploy.simulate.records import Record
from deploy.simulate.times import rfc3339

SECOND_COUNTRY_SHARE = 0.08
MMS_SHARE = 0.04
_NON_GSM = np.array([country.non_gsm for country in COUNTRIES])
_DIRECTIONS = np.array(
    [
        '"direction":"outbound-api"',
        '"direction":"outbound"',
        '"direction":"outbound-reply"',
        '"direction":"outbound-call"',
        '"direction":"inbound"',
    ],
    dtype=object,
)
_INBOUND = len(_DIRECTIONS) - 1


@dataclass(frozen=True)
class Batch:
    """Columns of messages not yet written; one entry per message.

    `sid` is 32 hex digits; the others are JSON fields (`status` and `price` with their leading
    comma, or empty), final statuses and what the receipts need.
    """

    users: list[int]
    at_ms: list[int]
    sid: list[str]
    prefix: list[str]
    direction: list[str]
    is_mms: list[bool]
    is_inbound: list[bool]
    status: list[str]
    error_chance: list[float]
    text: list[str]
    processing: list[str]
    country: list[str]
    other_party: list[str]
    price: list[str | None]
    occurred_at: list[str]
    quirk: list[float]


def draw(rng: np.random.Generator, population: Population, users: Ints, at_ms: Ints) -> Batch:
    """A batch of messages of `users` (indexes) at `at_ms`."""
    count = len(users)
    is_inbound = rng.random(count) < population.inbound_ratio[users]
    is_mms = rng.random(count) < MMS_SHARE
    abroad = rng.random(count) < SECOND_COUNTRY_SHARE
    countries = np.where(abroad, population.second_country[users], population.country[users])
    written = texts.write(
        rng, population.text_length[users], population.ucs2_ratio[users], _NON_GSM[countries]
    )
    segments = np.where(is_mms, 1, written.segments)
    status = outcomes.statuses(rng, is_inbound, population.failure_ratio[users])
    carriers = prices.carriers(rng, countries)
    variant = rng.choice(_INBOUND, count, p=[0.84, 0.06, 0.09, 0.01])
    hexes = rng.bytes(16 * count).hex()
    true_country, other_party = fields.other_parties(rng, countries, carriers)
    return Batch(
        users=users.tolist(),
        at_ms=at_ms.tolist(),
        sid=[hexes[at : at + 32] for at in range(0, 32 * count, 32)],
        prefix=np.where(is_mms, "MM", "SM").tolist(),
        direction=_DIRECTIONS[np.where(is_inbound, _INBOUND, variant)].tolist(),
        is_mms=is_mms.tolist(),
        is_inbound=is_inbound.tolist(),
        status=status.tolist(),
        error_chance=rng.random(count).tolist(),
        text=fields.text_fields(rng, written, segments, is_mms),
        processing=fields.processing_fields(rng, count),
        country=true_country,
        other_party=other_party,
        price=prices.charged(rng, countries, carriers, is_inbound, is_mms, segments),
        occurred_at=rfc3339(rng, at_ms),
        quirk=rng.random(count).tolist(),
    )


def message(batch: Batch, row: int, population: Population, waiting_as: str | None) -> Record:
    """The record of one row; with `waiting_as`, in that early status, its outcome yet to come."""
    user = batch.users[row]
    status = waiting_as or batch.status[row]
    sid = batch.prefix[row] + batch.sid[row]
    price = "" if waiting_as else price_field(batch, row)
    value = (
        f'{{"event_id":"EV{batch.sid[row]}","message_sid":"{sid}",{population.identities[user]},'
        f"{batch.direction[row]}{_type_field(batch, row)}{_status_field(batch, row, status)}"
        f"{batch.text[row]}{batch.processing[row]}{batch.other_party[row]}"
        f'{price},"occurred_at":"{batch.occurred_at[row]}"}}'
    )
    if batch.quirk[row] < 0.1:
        value = _unusual(value, batch.quirk[row])
    return Record(
        population.keys[user],
        value,
        "message",
        population.counts_for[user],
        batch.country[row],
    )


def price_field(batch: Batch, row: int) -> str:
    """The price as a JSON field with its comma; failed messages cost nothing, others may wait."""
    status, price = batch.status[row], batch.price[row]
    if status == "failed" and batch.quirk[row] > 0.9:
        return ',"price":"-0.00000","price_unit":"USD"'
    if price is None or status in outcomes.FREE_OR_OPEN:
        return ""
    return f',"price":"{price}"' + (',"price_unit":"USD"' if batch.quirk[row] < 0.7 else "")


def _type_field(batch: Batch, row: int) -> str:
    if batch.is_mms[row]:
        return ',"message_type":"mms"'
    return ',"message_type":"sms"' if batch.quirk[row] > 0.5 else ""


def _status_field(batch: Batch, row: int, status: str) -> str:
    default = "received" if batch.is_inbound[row] else "sent"
    if status == default and batch.quirk[row] < 0.3:
        return ""
    code = outcomes.error_code(status, batch.error_chance[row])
    return f',"status":"{status}"' + (f',"error_code":{code}' if code is not None else "")


def _unusual(value: str, quirk: float) -> str:
    """The same event, written as some routers might (`quirk` 0 … 0.1)."""
    if quirk < 0.002:
        return value.replace(',"', ',\n  "')
    if quirk < 0.004:
        return f" {value}\n"
    if quirk < 0.02:
        return value[:-1] + ',"body":"Grüße, your code is {\\"1234\\"}\\n"}'
    if quirk < 0.05:
        return value[:-1] + ',"account_sid":"AC0","tags":[{"name":"x"},null,1.5e3]}'
    return '{"type":"message",' + value[1:]
