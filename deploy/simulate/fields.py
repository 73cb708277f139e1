"""JSON fields of messages that take more than a draw: text, time in the router, other party.

Each function gives one text per message, with its leading comma, empty where a field is left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deploy.simulate.countries import COUNTRIES
from deploy.simulate.population import Ints, phone_number
from deploy.simulate.texts import Texts


def text_fields(
    rng: np.random.Generator, written: Texts, segments: Ints, is_mms: NDArray[np.bool_]
) -> list[str]:
    media = np.where(is_mms, rng.choice(4, len(is_mms), p=[0.1, 0.75, 0.1, 0.05]), 0)
    rows = zip(
        segments.tolist(),
        written.is_ucs2.tolist(),
        written.non_gsm_characters.tolist(),
        written.body_length.tolist(),
        media.tolist(),
        strict=True,
    )
    return [
        (f',"segments":{parts}' if parts > 1 or length % 3 else "")
        + (',"encoding":"UCS-2"' if is_ucs2 else ',"encoding":"GSM-7"' if length % 20 else "")
        + (f',"non_gsm_characters":{non_gsm}' if non_gsm else "")
        + (f',"num_media":{pieces}' if pieces else "")
        + f',"body_length":{length}'
        for parts, is_ucs2, non_gsm, length, pieces in rows
    ]


def processing_fields(rng: np.random.Generator, count: int) -> list[str]:
    """Log-normal times in the router; one in fifty is slow, one in thirty unknown."""
    slow = np.where(rng.random(count) < 0.02, 20, 1)
    times = np.minimum(rng.lognormal(np.log(180), 0.6, count) * slow, 86_000_000)
    kinds = rng.random(count).tolist()
    return [_processing_field(time, kind) for time, kind in zip(times.tolist(), kinds, strict=True)]


def _processing_field(time_ms: float, kind: float) -> str:
    if kind < 1 / 30:
        return "" if kind < 1 / 60 else ',"processing_time_ms":null'
    if kind < 0.1:
        return f',"processing_time_ms":{time_ms:.0f}'
    half_microsecond = "5" if kind > 0.98 else ""
    return f',"processing_time_ms":{time_ms:.3f}{half_microsecond}'


def other_parties(
    rng: np.random.Generator, countries: Ints, carriers: list[str | None]
) -> tuple[list[str], list[str]]:
    """True countries, and the fields from which the product can know them."""
    rows = zip(
        countries.tolist(),
        carriers,
        rng.integers(10_000_000, size=len(carriers)).tolist(),
        rng.random(len(carriers)).tolist(),
        strict=True,
    )
    true, fields = [], []
    for index, carrier, subscriber, kind in rows:
        country = COUNTRIES[index]
        named = f',"country_code":"{country.code}"'
        number = f',"counterparty":"{phone_number(country, subscriber)}"'
        if kind < 0.01:
            true.append("ZZ")
            fields.append(',"country_code":null' if kind < 0.005 else "")
            continue
        is_derived = kind < 0.15 and country.is_own_prefix
        shown = number if is_derived else named + (number if kind > 0.9 else "")
        true.append(country.code)
        fields.append(shown + (f',"mcc_mnc":"{carrier}"' if carrier else ""))
    return true, fields
