"""The countries of the simulated world: how numbers there look, their zones and carriers.

Dialling codes are ITU E.164's; the US carriers are those of `schemas/rate_card.toml`. Weights are
invented. Portugal has no row in the rate card, so that its messages cost what the fallback says.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Country:
    """One country: `mobile` begins its numbers, `digits` (7 or more) follow.

    `is_own_prefix`: no other country shares the dialling code, so the number tells the country.
    `non_gsm`: the usual text there does not fit GSM-7.
    """

    code: str
    mobile: str
    digits: int
    zones: tuple[str, ...]
    weight: float
    is_own_prefix: bool = True
    non_gsm: bool = False
    carriers: tuple[str, ...] = ()


COUNTRIES: tuple[Country, ...] = (
    Country(
        "US",
        "+1212",
        7,
        ("America/New_York", "America/Chicago", "America/Los_Angeles"),
        30,
        is_own_prefix=False,
        carriers=("310410", "311480", "310260", "311580"),
    ),
    Country("CA", "+1416", 7, ("America/Toronto", "America/St_Johns"), 6, is_own_prefix=False),
    Country("GB", "+4477", 8, ("Europe/London",), 10, is_own_prefix=False),
    Country("DE", "+4915", 9, ("Europe/Berlin",), 9, carriers=("26201", "26202")),
    Country("FR", "+336", 8, ("Europe/Paris",), 7),
    Country("ES", "+346", 8, ("Europe/Madrid",), 4),
    Country("IT", "+3934", 8, ("Europe/Rome",), 4, is_own_prefix=False),
    Country("NL", "+316", 8, ("Europe/Amsterdam",), 3),
    Country("SE", "+467", 8, ("Europe/Stockholm",), 2),
    Country("PL", "+4850", 7, ("Europe/Warsaw",), 3),
    Country("PT", "+3519", 8, ("Europe/Lisbon",), 1),
    Country("IE", "+3538", 8, ("Europe/Dublin",), 1),
    Country("AU", "+614", 8, ("Australia/Sydney", "Australia/Adelaide"), 3, is_own_prefix=False),
    Country("NZ", "+6421", 7, ("Pacific/Auckland",), 1),
    Country("JP", "+8190", 8, ("Asia/Tokyo",), 3, non_gsm=True),
    Country("SG", "+659", 7, ("Asia/Singapore",), 2),
    Country("IN", "+919", 9, ("Asia/Kolkata",), 6, non_gsm=True),
    Country("NP", "+97798", 8, ("Asia/Kathmandu",), 1, non_gsm=True),
    Country("BR", "+55119", 8, ("America/Sao_Paulo",), 3),
    Country("MX", "+5255", 8, ("America/Mexico_City",), 1),
)

ZONES: tuple[str, ...] = tuple(zone for country in COUNTRIES for zone in country.zones)
