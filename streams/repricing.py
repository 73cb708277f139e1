"""`rates compare`: prices a past window of the usage log with another card, tells the difference.

ClickHouse groups the messages, and hands the groups over block by block; the prices are of
`streams/core`. Nothing is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client

from schemas.settings import Settings
from schemas.units import MICROS_PER_USD
from streams.clickhouse import connect
from streams.core.pricing import RateIndex
from streams.core.repricing import Difference, Groups, Kind, add_up, reprice, total
from streams.core.shapes import country_number

_TIMEOUT_S = 600.0
# A rate begins at so few of the moments of a window that they are one parameter.
_GROUPS = """
SELECT
    toString(country_code) AS country,
    toString(mcc_mnc) AS carrier,
    CAST(direction, 'Int8') AS direction_code,
    CAST(message_type, 'Int8') AS type_code,
    if(message_type = 'mms', 1, segments) AS units,
    arrayCount(start -> start <= toUnixTimestamp64Milli(occurred_at), {starts:Array(Int64)}) AS era,
    status = 'failed' AS is_failed,
    status = 'canceled' AS is_canceled,
    cost_source = 'provider' AS is_settled,
    is_failed AND error_code IS NOT NULL AS has_error,
    if(has_error, assumeNotNull(error_code), 0) AS code,
    min(toUnixTimestamp64Milli(occurred_at)) AS at_ms,
    count() AS messages,
    sum(base_micros) AS base,
    sum(carrier_fee_micros) AS carrier_fee,
    sum(failed_fee_micros) AS failed_fee
FROM usage_log FINAL
WHERE occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND ({is_any_user:UInt8} = 1 OR user_id = {user_id:UInt64})
GROUP BY country, carrier, direction_code, type_code, units, era, is_failed, is_canceled,
         is_settled, has_error, code
"""


@dataclass(frozen=True)
class Window:
    """Messages that occurred in [from_ms, to_ms), of one user or of all; priced as if all of them
    had occurred at `as_of_ms`, where that is given."""

    from_ms: int
    to_ms: int
    user_id: int | None = None
    as_of_ms: int | None = None


def compare(settings: Settings, index: RateIndex, window: Window) -> dict[Kind, Difference]:
    """The differences by country, direction and type.

    Raises ValueError where the window begins before the card does.
    """
    first_ms = int(index.starts[0])
    priced_from = window.from_ms if window.as_of_ms is None else window.as_of_ms
    if priced_from < first_ms:
        since = np.datetime_as_string(np.datetime64(first_ms, "ms"), unit="s")
        raise ValueError(
            f"the card's first rate is valid from {since}Z, later than the messages; "
            f"`--as-of {since}Z` prices them as if they had occurred then"
        )
    client = connect(settings.clickhouse_url, _TIMEOUT_S)
    found: dict[Kind, Difference] = {}
    try:
        for columns in _blocks(client, index, window):
            groups, countries = _groups(columns, window.as_of_ms)
            add_up(found, groups, reprice(groups, index), countries)
    finally:
        client.close()
    return found


def _blocks(client: Client, index: RateIndex, window: Window) -> Iterator[Sequence[Any]]:
    starts = index.starts
    inside = starts[(starts > window.from_ms) & (starts < window.to_ms)]
    parameters = {
        "starts": [] if window.as_of_ms is not None else inside.tolist(),
        "from_ms": window.from_ms,
        "to_ms": window.to_ms,
        "is_any_user": int(window.user_id is None),
        "user_id": window.user_id or 0,
    }
    with client.query_column_block_stream(_GROUPS, parameters=parameters) as stream:
        yield from stream


def _groups(columns: Sequence[Any], as_of_ms: int | None) -> tuple[Groups, list[str]]:
    country, carrier, direction, kind, units, _, failed, canceled, settled, has, code = columns[:11]
    at_ms, messages, *then = (np.array(column, np.int64) for column in columns[11:])
    countries = [str(name) for name in country]
    groups = Groups(
        countries=np.array([country_number(name) for name in countries], np.int16),
        carriers=np.array([name.encode() for name in carrier], "S6"),
        directions=np.array(direction, np.int8),
        message_types=np.array(kind, np.int8),
        segments=np.array(units, np.int64),
        at_ms=at_ms if as_of_ms is None else np.full(len(at_ms), as_of_ms, np.int64),
        is_failed=np.array(failed, np.bool_),
        is_canceled=np.array(canceled, np.bool_),
        is_settled=np.array(settled, np.bool_),
        error_codes=np.array(code, np.int64),
        has_error=np.array(has, np.bool_),
        messages=messages,
        then=np.stack(then, axis=1),
    )
    return groups, countries


def as_json(found: Mapping[Kind, Difference], head: Mapping[str, Any]) -> str:
    """The result as a JSON object; micro-USD are integers."""
    names = ("country", "direction", "message_type")
    rows = [{**dict(zip(names, kind, strict=True)), **_fields(one)} for kind, one in _sorted(found)]
    return json.dumps({**head, **_fields(total(dict(found))), "rows": rows}, indent=2)


def as_table(found: Mapping[Kind, Difference]) -> Iterator[str]:
    """The result as lines of a table in USD, the largest difference first, and its total."""
    whole = total(dict(found))
    lines: list[tuple[str, ...]] = [
        ("country", "direction", "type", "messages", "settled", "then", "now", "difference")
    ]
    for kind, one in _sorted(found):
        lines.append((*kind, *_cells(one)))
    lines.append(("total", "", "", *_cells(whole)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        texts = zip(line, widths, strict=True)
        yield "  ".join(
            text.ljust(width) if place < 3 else text.rjust(width)
            for place, (text, width) in enumerate(texts)
        ).rstrip()
    yield (
        f"{whole.settled} of {whole.messages} messages have the provider's price, which stays; "
        "failed-message fees follow the card."
    )


def _sorted(found: Mapping[Kind, Difference]) -> list[tuple[Kind, Difference]]:
    return sorted(found.items(), key=lambda item: (-abs(item[1].micros), item[0]))


def _fields(one: Difference) -> dict[str, Any]:
    names = ("base_micros", "carrier_fee_micros", "failed_fee_micros")
    sides = {
        side: {"total_micros": sum(parts), **dict(zip(names, parts, strict=True))}
        for side, parts in (("then", one.then), ("now", one.now))
    }
    counts = {"messages": one.messages, "settled_messages": one.settled}
    return {**counts, **sides, "difference_micros": one.micros}


def _cells(one: Difference) -> tuple[str, ...]:
    then, now = sum(one.then), sum(one.now)
    money = (_usd(then), _usd(now), f"{'+' if one.micros > 0 else ''}{_usd(one.micros)}")
    return (str(one.messages), str(one.settled), *money)


def _usd(micros: int) -> str:
    """Micro-USD as USD, exactly."""
    sign, rest = "-" if micros < 0 else "", abs(micros)
    return f"{sign}{rest // MICROS_PER_USD}.{rest % MICROS_PER_USD:06d}"
