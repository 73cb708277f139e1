"""The filter of sids: it never forgets, rarely errs, and hashes as ClickHouse does."""

from __future__ import annotations

import random

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from streams.core.seen import Hashes, SidFilter, hashes_of

_SIDS_PER_MB = 1024 * 1024 * 8 // 16
"""As full as the filter is meant to become: 16 bits a sid."""


def _hashes(seed: int, count: int) -> Hashes:
    return np.random.default_rng(seed).integers(0, 2**64, count, np.uint64)


def test_a_new_filter_knows_nothing() -> None:
    assert not SidFilter(1).maybe(_hashes(1, 1000)).any()


def test_nothing_is_ever_forgotten() -> None:
    seeded = random.Random(1)
    sids = _hashes(1, _SIDS_PER_MB // 4)
    seen = SidFilter(1)
    start = 0
    while start < len(sids):
        end = start + seeded.choice([1, 2, 1000, 20_000])
        seen.add(sids[start:end])
        assert seen.maybe(sids[start:end]).all()
        start = end
    assert seen.maybe(sids).all()


def test_sids_of_one_block_in_one_batch() -> None:
    seen = SidFilter(1)
    low = np.arange(50, dtype=np.uint64) * np.uint64(0x1234567)
    same_block = low | np.uint64(5 << 32)
    seen.add(same_block)
    assert seen.maybe(same_block).all()
    assert not seen.maybe(low | np.uint64(6 << 32)).any()


def test_few_others_are_taken_for_seen() -> None:
    seen = SidFilter(1)
    for part in np.array_split(_hashes(1, _SIDS_PER_MB), 50):
        seen.add(part)
    # Measured 0.13 %.
    assert seen.maybe(_hashes(2, 200_000)).mean() < 0.003


def test_sids_are_their_hashes() -> None:
    seen = SidFilter(1)
    seen.add(hashes_of([b"SM1", b"SM2"]))
    assert seen.maybe(hashes_of([b"SM2", b"SM3", b"SM1", b"sm1"])).tolist() == [1, 0, 1, 0]


def test_no_sids() -> None:
    seen = SidFilter(1)
    seen.add(hashes_of([]))
    assert seen.maybe(hashes_of([])).tolist() == []


@pytest.mark.live
def test_hashes_are_clickhouses(clickhouse_client: Client) -> None:
    sids = ["", "a", "SM" + "0" * 32, "é" * 64, "日本", "x" * 63, "\x00\x7f"]
    rows = clickhouse_client.query(
        "SELECT xxHash64(sid) FROM (SELECT arrayJoin({sids:Array(String)}) AS sid)",
        parameters={"sids": sids},
    ).result_rows
    assert [row[0] for row in rows] == hashes_of([sid.encode() for sid in sids]).tolist()
