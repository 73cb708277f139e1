"""Blocks of ClickHouse's Native format: what is written is what ClickHouse reads."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from schemas.native import Block
from streams.clickhouse import connect

_NUMBERS = {
    "Int8": (-(2**7), 2**7 - 1),
    "UInt8": (0, 2**8 - 1),
    "UInt16": (0, 2**16 - 1),
    "Int32": (-(2**31), 2**31 - 1),
    "UInt32": (0, 2**32 - 1),
    "Int64": (-(2**63), 2**63 - 1),
    "UInt64": (0, 2**64 - 1),
}


@pytest.fixture(scope="module")
def client(clickhouse: str) -> Iterator[Client]:
    connected = connect(clickhouse, 30)
    yield connected
    connected.command("DROP TABLE IF EXISTS native_round_trip")
    connected.close()


@pytest.fixture
def written(client: Client) -> Any:
    """Writes the one column of a block, reads it back in order of its rows."""

    def write(kind: str, block: Block, selected: str = "c") -> list[Any]:
        block.numbers("row", "UInt32", list(range(block.count)))
        client.command("DROP TABLE IF EXISTS native_round_trip")
        client.command(
            f"CREATE TABLE native_round_trip (row UInt32, c {kind}) ENGINE = MergeTree ORDER BY row"
        )
        client.raw_insert("native_round_trip", block.names, block.to_bytes(), fmt="Native")
        query = f"SELECT {selected} FROM native_round_trip ORDER BY row"
        return [row[0] for row in client.query(query).result_rows]

    return write


@pytest.mark.live
@pytest.mark.parametrize("as_array", [False, True])
@pytest.mark.parametrize("kind", _NUMBERS)
def test_numbers(written: Any, kind: str, as_array: bool) -> None:
    lowest, highest = _NUMBERS[kind]
    seeded = random.Random(1)
    values = [lowest, 0, 1, highest, *(seeded.randint(lowest, highest) for _ in range(300))]
    block = Block(len(values))
    given = np.array(values, np.uint64 if kind == "UInt64" else np.int64) if as_array else values
    block.numbers("c", kind, given)
    assert written(kind, block) == values


@pytest.mark.live
@pytest.mark.parametrize("as_array", [False, True])
@pytest.mark.parametrize("kind", _NUMBERS)
def test_nullable_numbers(written: Any, kind: str, as_array: bool) -> None:
    lowest, highest = _NUMBERS[kind]
    values = [None, lowest, None, 0, highest, None]
    block = Block(len(values))
    filled = [0 if value is None else value for value in values]
    is_null = np.array([value is None for value in values])
    given = np.array(filled, np.uint64 if kind == "UInt64" else np.int64) if as_array else filled
    block.nullable("c", kind, given, is_null)
    assert written(f"Nullable({kind})", block) == values


@pytest.mark.live
@pytest.mark.parametrize(
    ("kind", "values", "selected"),
    [
        ("DateTime('UTC')", [0, 1, 1_772_366_400, 2**32 - 1], "toUnixTimestamp(c)"),
        (
            "DateTime64(3, 'UTC')",
            [0, 1, -1, 1_772_366_400_123, 4_102_444_800_999],
            "toUnixTimestamp64Milli(c)",
        ),
    ],
)
def test_times(written: Any, kind: str, values: list[int], selected: str) -> None:
    block = Block(len(values))
    block.numbers("c", kind, values)
    assert written(kind, block, selected) == values


@pytest.mark.live
def test_enums_are_their_numbers(written: Any) -> None:
    block = Block(3)
    block.numbers("c", "Int8", [2, 1, 2])
    assert written("Enum8('one' = 1, 'two' = 2)", block) == ["two", "one", "two"]


@pytest.mark.live
@pytest.mark.parametrize("kind", ["String", "LowCardinality(String)"])
def test_texts(written: Any, kind: str) -> None:
    values = [
        "",
        "a",
        "é",
        "\U0001f600" * 64,
        "x" * 127,
        "y" * 128,
        "z" * 255,
        "m" * 1024,
        "n" * 70_000,
        "\x00\n\t'\\",
    ]
    block = Block(len(values))
    block.texts("c", [value.encode() for value in values])
    assert written(kind, block) == values


@pytest.mark.live
@pytest.mark.parametrize("length", [0, 1, 34, 127, 128, 1023, 1024, 65_536, 1_000_000])
def test_texts_of_one_length(written: Any, length: int) -> None:
    values = [letter * length for letter in "abc"]
    block = Block(3)
    block.texts("c", [value.encode() for value in values])
    assert written("String", block) == values


@pytest.mark.live
def test_fixed_texts(written: Any) -> None:
    block = Block(3)
    block.fixed_texts("c", np.array([b"DE", b"ZZ", b"US"]))
    assert written("FixedString(2)", block, "toString(c)") == ["DE", "ZZ", "US"]


@pytest.mark.live
def test_fixed_texts_are_padded_and_may_be_chosen_from_a_table(written: Any) -> None:
    table = np.array([b"", b"DE", b"USA"], "S3")
    block = Block(4)
    block.fixed_texts("c", table[np.array([2, 1, 0, 1])])
    texts = ["555341", "444500", "000000", "444500"]
    assert written("FixedString(3)", block, "hex(c)") == texts


@pytest.mark.live
@pytest.mark.parametrize(
    ("kind", "element"), [("UInt16", 65535), ("Int32", -5), ("Int64", -(2**62))]
)
def test_arrays(written: Any, kind: str, element: int) -> None:
    values = [[element, 0, 1], [], [], [2], [element] * 300, []]
    block = Block(len(values))
    ends = np.cumsum([len(value) for value in values])
    block.arrays("c", kind, ends, np.array([item for value in values for item in value]))
    assert written(f"Array({kind})", block) == values


@pytest.mark.live
def test_arrays_of_nothing(written: Any) -> None:
    block = Block(2)
    block.arrays("c", "UInt16", np.array([0, 0]), np.zeros(0, np.int64))
    assert written("Array(UInt16)", block) == [[], []]


@pytest.mark.live
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("Nullable(Int32)", [[None, -(2**31), 2**31 - 1], [], [None], [0]]),
        ("Nullable(Int64)", [[], [None, None, -(2**63)], [2**63 - 1, 0]]),
        ("Nullable(Int64)", [[], []]),
    ],
)
def test_arrays_of_what_may_be_null(written: Any, kind: str, values: list[list[Any]]) -> None:
    block = Block(len(values))
    ends = np.cumsum([len(value) for value in values])
    block.arrays("c", kind, ends, [item for value in values for item in value])
    assert written(f"Array({kind})", block) == values


@pytest.mark.live
@pytest.mark.parametrize("count", [0, 1, 127, 128, 20_000])
def test_any_number_of_rows(written: Any, count: int) -> None:
    values = [f"text {number}" for number in range(count)]
    block = Block(count)
    block.texts("c", [value.encode() for value in values])
    assert written("String", block) == values


@pytest.mark.parametrize("kind", _NUMBERS)
def test_a_number_that_does_not_fit_is_refused(kind: str) -> None:
    for value in (_NUMBERS[kind][0] - 1, _NUMBERS[kind][1] + 1):
        with pytest.raises(OverflowError):
            Block(1).numbers("c", kind, [value])
        with pytest.raises(OverflowError):
            Block(1).nullable("c", kind, [value], np.array([False]))
