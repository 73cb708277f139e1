"""Random cells for a live database, and the same sums in plain Python."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from clickhouse_connect.driver.client import Client

from schemas.rows import CELL_KEYS, SYSTEM_1D, SYSTEM_15M, SYSTEM_TOTALS_15M, USER_1D, USER_15M
from schemas.statuses import STATUSES

Cell = dict[str, Any]

_BUCKET_S, _DAY_S = 900, 86_400
_KEY = ("user_id", "bucket", "direction", "message_type", "country_code", "source")
_INBOUND, _OUTBOUND = ("receiving", "received"), tuple(s for s in STATUSES if s != "received")


def random_cells(start: int, end: int, count: int, seed: int) -> list[Cell]:
    """Cells of 12 users (0 is the unknown one) in [start, end), each key once."""
    dice = random.Random(seed)
    cells = {}
    for _ in range(count):
        cell = _random_cell(dice, start, end)
        cells[tuple(cell[name] for name in _KEY)] = cell
    return list(cells.values())


def _random_cell(dice: random.Random, start: int, end: int) -> Cell:
    direction = dice.choice(("inbound", "outbound", "outbound"))
    statuses = [dice.choice(_INBOUND if direction == "inbound" else _OUTBOUND) for _ in range(3)]
    cell: Cell = {
        "user_id": int(dice.random() ** 2 * 12),
        "bucket": dice.randrange(start // _BUCKET_S, end // _BUCKET_S) * _BUCKET_S,
        "direction": direction,
        "message_type": dice.choice(("sms", "sms", "mms")),
        "country_code": dice.choice(("US", "GB", "NP", "ZZ")),
        "source": dice.randrange(3),
        "messages": len(statuses),
        "segments": dice.randrange(3, 9),
        "body_length": dice.randrange(500),
        "base_micros": dice.randrange(30_000),
        "carrier_fee_micros": dice.randrange(9_000),
        "failed_fee_micros": dice.choice((0, 1_000)),
        "provisional_micros": dice.randrange(3_000),
    }
    for status in statuses:
        cell[f"status_{status}"] = cell.get(f"status_{status}", 0) + 1
    return cell


def some_cell(user_id: int, bucket: int, messages: int) -> Cell:
    """A cell of a user's outbound messages of one segment each to the US, of source 0."""
    key = (user_id, bucket, "outbound", "sms", "US", 0)
    counters = {"messages": messages, "segments": messages}
    return dict(zip(_KEY, key, strict=True)) | counters


def insert(client: Client, cells: Iterable[Cell], version: int = 1) -> None:
    """Write cells as a worker does: by user and for the system, by 15 minutes and by day.

    `version` is the position of the event that changed them last.
    """
    cells = list(cells)
    users = [cell for cell in cells if cell["user_id"] != 0]
    for table, rows in (
        (USER_15M, users),
        (USER_1D, _merged(users, _by_day)),
        (SYSTEM_15M, _merged(cells, _without_user)),
        (SYSTEM_1D, _merged(cells, lambda cell: _by_day(_without_user(cell)))),
        (SYSTEM_TOTALS_15M, _merged(cells, _by_direction)),
    ):
        lines = "\n".join(json.dumps(row | {"version": version}) for row in rows)
        client.raw_insert(table, insert_block=lines, fmt="JSONEachRow")


def _by_day(key: Cell) -> Cell:
    return key | {"bucket": key["bucket"] // _DAY_S * _DAY_S}


def _without_user(key: Cell) -> Cell:
    return {name: value for name, value in key.items() if name != "user_id"}


def _by_direction(key: Cell) -> Cell:
    return {name: key[name] for name in CELL_KEYS[SYSTEM_TOTALS_15M]}


def _merged(cells: Iterable[Cell], key_of: Callable[[Cell], Cell]) -> list[Cell]:
    sums: dict[str, Cell] = {}
    for cell in cells:
        key = key_of({name: cell[name] for name in _KEY})
        total = sums.setdefault(json.dumps(key), defaultdict(int, key))
        for name, value in cell.items():
            if name not in _KEY:
                total[name] += value
    return [dict(total) for total in sums.values()]


def total(cells: Iterable[Cell], *names: str) -> int:
    """The sum of some counters over cells."""
    return sum(cell.get(name, 0) for cell in cells for name in names)
