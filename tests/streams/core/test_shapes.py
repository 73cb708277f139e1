"""Combinations of small texts: each has a row, wrong ones have none, and memory is bounded."""

from __future__ import annotations

import random
from typing import Any

import pytest

from schemas.rows import DIRECTIONS, ENCODINGS, MESSAGE_TYPES, STATUS_CODES
from streams.core.shapes import SHAPE, Key, Shapes, country_number, country_text
from streams.core.strict import PATTERNS as _PATTERNS


def _key(**fields: Any) -> Key:
    defaults = {
        "type": "message",
        "direction": "outbound",
        "message_type": "sms",
        "status": "",
        "encoding": None,
        "country_code": None,
        "mcc_mnc": None,
        "error_code": None,
        "price_unit": "USD",
    }
    return tuple({**defaults, **fields}.values())


def _shapes(limit: int = 1000) -> Shapes:
    return Shapes(_PATTERNS, limit)


def _row(shapes: Shapes, code: int) -> dict[str, Any]:
    return dict(zip(SHAPE.names or (), shapes.table[code].tolist(), strict=True))


_OUTBOUND = {
    "is_status": False,
    "direction": DIRECTIONS["outbound"],
    "message_type": MESSAGE_TYPES["sms"],
    "status": STATUS_CODES["sent"],
    "encoding": ENCODINGS[None],
    "country": 0,
    "mcc_mnc": b"",
    "has_error": False,
    "error_code": 0,
    "currency": b"USD",
}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {}),
        *[({"direction": f"outbound-{d}"}, {}) for d in ("api", "reply", "call")],
        (
            {"direction": "inbound"},
            {"direction": DIRECTIONS["inbound"], "status": STATUS_CODES["received"]},
        ),
        (
            {"direction": "inbound", "status": "read"},
            {"direction": DIRECTIONS["inbound"], "status": STATUS_CODES["read"]},
        ),
        *[({"status": status}, {"status": code}) for status, code in STATUS_CODES.items()],
        ({"type": "status", "direction": "", "status": "sent"}, {"is_status": True}),
        ({"message_type": "mms"}, {"message_type": MESSAGE_TYPES["mms"]}),
        *[({"encoding": encoding}, {"encoding": code}) for encoding, code in ENCODINGS.items()],
        ({"country_code": "AA"}, {"country": 1}),
        ({"country_code": "ZZ"}, {"country": 676}),
        ({"mcc_mnc": "26201"}, {"mcc_mnc": b"26201"}),
        ({"mcc_mnc": "310410"}, {"mcc_mnc": b"310410"}),
        ({"error_code": 0}, {"has_error": True}),
        ({"error_code": -(2**31)}, {"has_error": True, "error_code": -(2**31)}),
        ({"error_code": 2**31 - 1}, {"has_error": True, "error_code": 2**31 - 1}),
        ({"price_unit": "EUR"}, {"currency": b"EUR"}),
    ],
)
def test_a_row(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    shapes = _shapes()
    (code,) = shapes.codes([_key(**fields)]).tolist()
    assert _row(shapes, code) == {**_OUTBOUND, **expected}


@pytest.mark.parametrize(
    "fields",
    [
        {"direction": ""},
        {"type": "status"},
        {"type": "status", "direction": "inbound"},
        {"country_code": "de"},
        {"country_code": ""},
        {"country_code": "DE\n"},
        {"mcc_mnc": "1234"},
        {"mcc_mnc": ""},
        {"mcc_mnc": "123456\n"},
        {"mcc_mnc": "\u0661\u0661\u0661\u0661\u0661"},
        {"price_unit": "usd"},
        {"price_unit": ""},
        {"price_unit": "USD\n"},
    ],
)
def test_a_wrong_one_has_no_row_and_is_not_remembered(fields: dict[str, Any]) -> None:
    shapes = _shapes()
    for _ in range(2):
        codes = shapes.codes([_key(), _key(**fields), _key(), _key(**fields)]).tolist()
        assert codes[0] == codes[2] >= 0
        assert codes[1] == codes[3] == -1
    assert len(shapes) == 1


def test_equal_keys_have_one_row_and_others_another() -> None:
    shapes = _shapes()
    keys = [_key(error_code=code) for code in [None, *range(3000)]]
    codes = shapes.codes(keys[:10] + keys[:10]).tolist()
    assert codes == list(range(10)) * 2
    assert shapes.codes(keys).tolist() == list(range(3001))  # the table grows
    assert shapes.codes(keys[::-1]).tolist() == list(range(3001))[::-1]
    assert shapes.table["error_code"][1:3001].tolist() == list(range(3000))
    assert len(shapes) == 3001
    assert shapes.codes([]).tolist() == []


def test_rows_are_forgotten_beyond_the_limit_and_only_then() -> None:
    shapes = _shapes(limit=3)
    shapes.codes([_key(error_code=code) for code in range(3)])
    shapes.forget()
    assert len(shapes) == 3
    shapes.codes([_key(error_code=3)])
    assert len(shapes) == 4
    shapes.forget()
    assert len(shapes) == 0
    (code,) = shapes.codes([_key(encoding="UCS-2")]).tolist()
    assert _row(shapes, code) == {**_OUTBOUND, "encoding": ENCODINGS["UCS-2"]}


def test_forgetting_changes_nothing_but_codes() -> None:
    seeded = random.Random(1)
    few, many = _shapes(limit=5), _shapes()
    for _ in range(100):
        keys = [
            _key(
                error_code=seeded.choice([None, *range(20)]),
                country_code=seeded.choice([None, "DE", "xx"]),
                direction=seeded.choice(["inbound", "outbound", ""]),
            )
            for _ in range(seeded.randrange(10))
        ]
        few.forget()
        pairs = zip(few.codes(keys).tolist(), many.codes(keys).tolist(), strict=True)
        for one, other in pairs:
            assert (one < 0) is (other < 0)
            assert one < 0 or _row(few, one) == _row(many, other)
    assert len(few) <= 15
    assert len(few.table) == 1024


def test_countries_are_numbers_in_their_order() -> None:
    letters = [chr(code) for code in range(ord("A"), ord("Z") + 1)]
    countries = [first + second for first in letters for second in letters]
    assert [country_number(country) for country in countries] == list(range(1, 677))
    assert [country_text(number) for number in range(1, 677)] == countries
