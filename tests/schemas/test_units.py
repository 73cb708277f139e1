"""Positions, sources and buckets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from schemas.units import (
    BUCKET_MS,
    DAY_MS,
    MINUTE_MS,
    epoch_of,
    floor_to,
    offset_of,
    partition_of,
    position,
    source,
    source_epoch,
)

_LAST_OFFSET = 2**48 - 1


@pytest.mark.parametrize("epoch", [0, 1, 65_535])
@pytest.mark.parametrize("offset", [0, 1, _LAST_OFFSET])
def test_position_and_back(epoch: int, offset: int) -> None:
    assert epoch_of(position(epoch, offset)) == epoch
    assert offset_of(position(epoch, offset)) == offset
    assert position(epoch, offset) < 2**64


def test_a_later_epoch_comes_after_every_earlier_offset() -> None:
    assert position(1, 0) == position(0, _LAST_OFFSET) + 1


@pytest.mark.parametrize("epoch", [0, 1, 65_535])
@pytest.mark.parametrize("partition", [0, 7, 65_535])
def test_source_and_back(epoch: int, partition: int) -> None:
    assert source_epoch(source(epoch, partition)) == epoch
    assert partition_of(source(epoch, partition)) == partition
    assert source(epoch, partition) < 2**32


@pytest.mark.parametrize("width", [MINUTE_MS, BUCKET_MS, DAY_MS])
def test_buckets_are_half_open(width: int) -> None:
    start = 20_000 * DAY_MS
    assert floor_to(start, width) == start
    assert floor_to(start + width - 1, width) == start
    assert floor_to(start + width, width) == start + width
    assert floor_to(start - 1, width) == start - width


def test_floor_goes_towards_the_past() -> None:
    assert floor_to(-1, BUCKET_MS) == -BUCKET_MS


def test_every_zone_is_a_multiple_of_a_bucket() -> None:
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    days = [begin + timedelta(days=day) for day in range(0, 1461, 30)]
    for name in available_timezones():
        zone = ZoneInfo(name)
        for day in days:
            offset = day.astimezone(zone).utcoffset()
            assert offset is not None
            assert offset % timedelta(milliseconds=BUCKET_MS) == timedelta(0), name
