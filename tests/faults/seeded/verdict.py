"""Whether everything is exact: each message, each cell, the dead letters, the API's answers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from schemas.rows import SYSTEM_1D, SYSTEM_15M, USAGE_LOG, USER_15M
from streams import reconcile
from streams.dlq import letters
from tests.faults.seeded.answers import wrong_answers
from tests.oracle import dead_letters, messages, rates
from tests.oracle.ledger import Sent
from tests.oracle.messages import Message

_MESSAGE = (
    "message_sid, user_id, toUnixTimestamp64Milli(occurred_at), toString(direction),"
    " toString(message_type), toString(country_code), segments, body_length, processing_us,"
    " toString(status), error_code, base_micros, carrier_fee_micros, failed_fee_micros,"
    " provisional_micros, toString(cost_source)"
)
_CELL = "sum(messages), sum(segments), sum(base_micros), sum(carrier_fee_micros)"


class Verdict(NamedTuple):
    """Messages lost, counted more than once, and whatever else was not as the oracle's."""

    lost: int
    doubled: int
    wrong: tuple[str, ...]


def verdict(client: Client, url: str, bootstrap: str, sent: Sequence[Sent], turn: int) -> Verdict:
    """Compare what ClickHouse, Kafka and the API say with what a ledger says was sent."""
    expected = messages.fold(sent, rates.shipped())
    lost, doubled = _counted(client, expected)
    wrong = [
        *_messages(client, expected),
        *_cells(client, expected),
        *map(str, reconcile.differences(client, int(time.time()))),
        *_letters(bootstrap, sent),
    ]
    if not wrong:
        wrong += wrong_answers(url, expected, turn)
    return Verdict(lost, doubled, tuple(wrong[:20]))


def _counted(client: Client, expected: Sequence[Message]) -> tuple[int, int]:
    (counted,) = client.query(f"SELECT sum(messages) FROM {SYSTEM_15M} FINAL").result_rows[0]
    difference = int(counted) - len(expected)
    return max(0, -difference), max(0, difference)


def _messages(client: Client, expected: Sequence[Message]) -> list[str]:
    rows = client.query(f"SELECT {_MESSAGE} FROM {USAGE_LOG} FINAL").result_rows
    found = {row[0]: tuple(row) for row in rows}
    wanted = {
        m.sid: (
            *(m.sid, m.user_id, m.at_ms, m.direction, m.message_type, m.country, m.segments),
            *(m.body_length, m.processing_us, m.status, m.error_code, m.base, m.carrier_fee),
            *(m.failed_fee, m.provisional, m.cost_source),
        )
        for m in expected
    }
    differ = [sid for sid in wanted.keys() | found.keys() if wanted.get(sid) != found.get(sid)]
    return [f"message: {found.get(sid)} is not {wanted.get(sid)}" for sid in differ[:5]]


def _cells(client: Client, expected: Sequence[Message]) -> list[str]:
    """Users by the quarter of an hour, the system by the day, against the oracle's sums."""
    wanted: dict[str, Counter[tuple[int, ...]]] = {USER_15M: Counter(), SYSTEM_1D: Counter()}
    widths = {USER_15M: 900, SYSTEM_1D: 86_400}
    for message in expected:
        for name, width in widths.items():
            user = message.user_id if name == USER_15M else 0
            if name == SYSTEM_1D or user:
                key = (user, message.at_ms // 1000 // width * width)
                amounts = (1, message.segments, message.base, message.carrier_fee)
                for number, amount in enumerate(amounts):
                    wanted[name][(*key, number)] += amount
    wrong = []
    for name, cells in wanted.items():
        user = "user_id" if name == USER_15M else "0"
        query = f"SELECT {user}, toUnixTimestamp(bucket), {_CELL} FROM {name} FINAL GROUP BY 1, 2"
        found = Counter[tuple[int, ...]]()
        for user_id, bucket, *amounts in client.query(query).result_rows:
            for number, amount in enumerate(amounts):
                found[user_id, bucket, number] = amount
        cells, found = +cells, +found
        wrong += [
            f"{name} {key}: {found[key]} is not {cells[key]}"
            for key in cells.keys() | found.keys()
            if cells[key] != found[key]
        ][:5]
    return wrong


def _letters(bootstrap: str, sent: Sequence[Sent]) -> list[str]:
    found = {(letter.key, letter.value) for letter in letters(bootstrap)}
    wanted = dead_letters.expected(sent)
    return [
        *(f"a dead letter is missing: {letter!r}"[:300] for letter in wanted - found),
        *(f"not to be rejected: {letter!r}"[:300] for letter in found - wanted),
    ]
