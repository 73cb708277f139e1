"""The users of the simulated router: who they are, how much they send and to where.

Everything follows from the seed, whatever the traffic: the same users have the same numbers in
every run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deploy.simulate.countries import COUNTRIES, ZONES, Country
from deploy.simulate.records import Record

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PHONE_ONLY_SHARE = 0.06
UNMAPPED_EVERY = 4
"""Of the users known only by their number, each fourth has no mapping record."""


@dataclass(frozen=True)
class Population:
    """Columns with one entry per user; the user of index i is called `i + 1`.

    `volume` sums to 1 (Zipf's law, user 1 the heaviest); `country` and `second_country` index
    `COUNTRIES`, `zone` indexes `ZONES`; `text_length` is the median length of a text,
    `ucs2_ratio` and `failure_ratio` are shares of the user's messages, `inbound_ratio` the share
    of replies. `keys` are Kafka keys, `identities` the event's JSON fields that name the user,
    `counts_for` is the user id after mapping (0: unknown).
    """

    volume: Floats
    country: Ints
    second_country: Ints
    zone: Ints
    text_length: Floats
    ucs2_ratio: Floats
    failure_ratio: Floats
    inbound_ratio: Floats
    keys: list[str]
    identities: list[str]
    counts_for: list[int]

    def mappings(self) -> list[Record]:
        """The records of `sms.user-phones.v1` for the users known only by their number."""
        return [
            Record(key, f'{{"user_id": {user_id}}}', "mapping", user_id)
            for key, user_id in zip(self.keys, self.counts_for, strict=True)
            if key.startswith("+") and user_id
        ]


def populate(seed: int, users: int) -> Population:
    """`users` ≥ 1 users drawn from `seed`."""
    rng = np.random.default_rng([seed, users])
    weights = np.array([country.weight for country in COUNTRIES])
    home = rng.choice(len(COUNTRIES), users, p=weights / weights.sum())
    abroad = rng.choice(len(COUNTRIES), users, p=weights / weights.sum())
    is_phone_only = rng.random(users) < PHONE_ONLY_SHARE
    is_phone_only[0] = False
    keys, identities, counts_for = _identify(home, is_phone_only)
    return Population(
        volume=_zipf(rng, users),
        country=home,
        second_country=abroad,
        zone=_zones(rng, home),
        text_length=rng.lognormal(np.log(95), 0.5, users),
        ucs2_ratio=_ucs2_ratio(rng, home),
        failure_ratio=np.minimum(rng.lognormal(np.log(0.05), 0.6, users), 0.6),
        inbound_ratio=rng.beta(1.2, 6, users),
        keys=keys,
        identities=identities,
        counts_for=counts_for,
    )


def phone_number(country: Country, subscriber: int) -> str:
    """The E.164 number of a subscriber (0 … 9,999,999), unlike any other's in the country."""
    return f"{country.mobile}{subscriber:0{country.digits}d}"


def _zipf(rng: np.random.Generator, users: int) -> Floats:
    """Shares of the traffic by Zipf's law (exponent 1): the first user has rank 1, the rest any."""
    ranks = np.concatenate([[1], 2 + rng.permutation(users - 1)])
    shares: Floats = 1 / ranks
    total = float(shares.sum())
    return shares / total


def _zones(rng: np.random.Generator, home: Ints) -> Ints:
    first = np.cumsum([0, *(len(country.zones) for country in COUNTRIES)])
    counts = np.array([len(country.zones) for country in COUNTRIES])
    zones: Ints = first[home] + (rng.random(len(home)) * counts[home]).astype(np.int64)
    assert zones.max(initial=0) < len(ZONES)
    return zones


def _ucs2_ratio(rng: np.random.Generator, home: Ints) -> Floats:
    """Most users hardly ever leave GSM-7; one in six often does, and some scripts must."""
    non_gsm = np.array([country.non_gsm for country in COUNTRIES])[home]
    careless = rng.random(len(home)) < 1 / 6
    return np.where(non_gsm, 0.7, np.where(careless, 0.35, 0.02))


def _identify(
    home: Ints, is_phone_only: NDArray[np.bool_]
) -> tuple[list[str], list[str], list[int]]:
    """Kafka keys, identity fields and final user ids; numbers are unique by their last digits."""
    counts_for = np.arange(1, len(home) + 1)
    unmapped = np.flatnonzero(is_phone_only)[UNMAPPED_EVERY - 1 :: UNMAPPED_EVERY]
    counts_for[unmapped] = 0
    keys, identities = [], []
    for index, (country, by_phone) in enumerate(zip(home, is_phone_only, strict=True)):
        if by_phone:
            keys.append(phone_number(COUNTRIES[country], index + 1))
            identities.append(f'"phone_number":"{keys[-1]}"')
        else:
            keys.append(str(index + 1))
            identities.append(f'"user_id":{index + 1}')
    return keys, identities, counts_for.tolist()
