"""Native answers as columns: what `schemas.native` writes comes back, and nothing else passes."""

from __future__ import annotations

import io

import numpy as np
import pytest

from schemas.native import Block
from schemas.native_answers import Arrays, Nullable, blocks, joined


def _block(first: int, count: int) -> Block:
    """Every kind of column; the values of row n are made of n."""
    rows = range(first, first + count)
    block = Block(count)
    block.numbers("signed", "Int64", [-n * 2**40 for n in rows])
    block.numbers("unsigned", "UInt64", [2**64 - 1 - n for n in rows])
    block.numbers("small", "Int8", [n % 128 for n in rows])
    block.texts("text", [b"\xc3\xa9" * (n % 200) for n in rows])
    block.fixed_texts("country", np.array([b"DE", b"A"] * count, "S2")[:count])
    is_null = np.array([n % 3 == 0 for n in rows])
    block.nullable("perhaps", "Int32", np.arange(count), is_null)
    ends = np.cumsum([n % 4 for n in rows])
    block.arrays("list", "Int64", ends, np.arange(ends[-1] if count else 0))
    values = [None if n % 2 else n for n in range(ends[-1] if count else 0)]
    block.arrays("list_perhaps", "Nullable(Int32)", ends, values)
    return block


def test_columns_are_read_as_they_were_written() -> None:
    sizes = (1, 300, 7)
    firsts = (0, 1, 301)
    content = b"".join(_block(*each).to_bytes() for each in zip(firsts, sizes, strict=True))
    found = list(blocks(io.BytesIO(content)))
    assert [len(columns[0]) for columns in found] == list(sizes)
    for first, columns in zip(firsts, found, strict=True):
        signed, unsigned, small, text, country, perhaps, listed, listed_perhaps = columns
        rows = range(first, first + len(signed))
        assert signed.tolist() == [-n * 2**40 for n in rows]
        assert unsigned.tolist() == [2**64 - 1 - n for n in rows]
        assert small.tolist() == [n % 128 for n in rows]
        assert text == [b"\xc3\xa9" * (n % 200) for n in rows]
        assert country.tolist() == ([b"DE", b"A"] * len(signed))[: len(signed)]
        assert isinstance(perhaps, Nullable)
        assert perhaps.is_null.tolist() == [n % 3 == 0 for n in rows]
        assert np.array_equal(perhaps.values[~perhaps.is_null], np.flatnonzero(~perhaps.is_null))
        assert isinstance(listed, Arrays)
        assert isinstance(listed_perhaps.values, Nullable)
        assert listed.ends.tolist() == np.cumsum([n % 4 for n in rows]).tolist()
        assert listed.values.tolist() == list(range(listed.ends[-1]))
        assert listed_perhaps.values.is_null.tolist() == [n % 2 == 1 for n in listed.values]


def test_blocks_are_joined_to_columns() -> None:
    parts = [[np.array([1, 2]), Arrays(np.array([0, 2]), np.array([7, 8]))] for _ in range(3)]
    numbers, arrays = joined(parts)
    assert numbers.tolist() == [1, 2] * 3
    assert arrays.ends.tolist() == [0, 2, 2, 4, 4, 6]
    assert arrays.values.tolist() == [7, 8] * 3
    assert joined(parts[:1]) is parts[0]
    assert joined([]) == []


def test_enumerations_are_their_numbers() -> None:
    block = Block(2)
    block._column("direction", "Enum8('inbound' = 1, 'outbound' = 2)", bytes((2, 1)))
    ((column,),) = blocks(io.BytesIO(block.to_bytes()))
    assert column.tolist() == [2, 1]


def test_nothing_and_blocks_without_rows_are_nothing() -> None:
    assert list(blocks(io.BytesIO())) == []
    assert list(blocks(io.BytesIO(_block(0, 0).to_bytes()))) == []


def test_an_answer_that_breaks_off_is_no_answer() -> None:
    content = _block(0, 5).to_bytes()
    for length in range(1, len(content)):
        with pytest.raises(EOFError):
            list(blocks(io.BytesIO(content[:length])))


def test_an_error_in_the_middle_of_an_answer_is_no_answer() -> None:
    error = b"Code: 241. DB::Exception: Memory limit exceeded: would use 9.00 GiB. (MEMORY_LIMIT)"
    with pytest.raises((EOFError, ValueError)):
        list(blocks(io.BytesIO(_block(0, 5).to_bytes() + error + b" " * 100_000)))


def test_a_type_that_is_not_known_is_named() -> None:
    block = Block(0)
    block._column("name", "Decimal(9, 2)", b"")
    with pytest.raises(ValueError, match=r"Decimal\(9, 2\)"):
        list(blocks(io.BytesIO(block.to_bytes())))
