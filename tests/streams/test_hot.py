"""What a worker has in memory when it begins: all sids, the messages since, the newest cells."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from schemas.rows import CELL_TABLES, USAGE_LOG, USER_15M
from schemas.units import position, source
from streams.clickhouse import Store
from streams.core.cells import CellTable
from streams.core.history import Entry
from streams.core.recent import MessageTable
from streams.core.seen import Hashes, SidFilter, hashes_of
from streams.hot import load_cells, load_messages, load_sids
from tests.streams.columns import contents, keys_of, messages_of
from tests.streams.samples import RECENT_MS, Message
from tests.streams.written import (
    BUCKET_S,
    any_messages,
    in_buckets,
    message_at,
    write_cells,
    write_log,
)

pytestmark = pytest.mark.live

_RECENT_S = RECENT_MS // 1000


class _Hashes(SidFilter):
    """A filter that also lists what it was given."""

    def __init__(self) -> None:
        super().__init__(1)
        self.added: list[list[int]] = []

    def add(self, hashes: Hashes) -> None:
        self.added.append(hashes.tolist())
        super().add(hashes)


def _sids(store: Store, *sources: int) -> list[int]:
    sids = _Hashes()
    load_sids(store, sources, sids)
    return sorted(h for part in sids.added for h in part)


def _held(table: MessageTable) -> list[Message]:
    sids = [table.sid(row) for row in range(len(table))]
    messages = messages_of(sids, table.gather(np.arange(len(table))))
    return sorted(messages, key=lambda each: each.sid)


def test_sids_are_of_the_sources_and_of_earlier_epochs(client: Client, store: Store) -> None:
    write_log(client, [message_at(2, offset, f"own{offset}") for offset in range(3)], source(2, 1))
    write_log(client, [message_at(2, 9, "other")], source(2, 0))
    write_log(client, [message_at(1, 2**48 - 1, "earlier")], source(1, 0))
    write_log(client, [message_at(3, 0, "later")], source(3, 1))
    own = [b"own0", b"own1", b"own2", b"earlier"]
    assert _sids(store, source(2, 1)) == sorted(hashes_of(own).tolist())
    assert _sids(store, source(2, 0), source(2, 1)) == sorted(hashes_of([*own, b"other"]).tolist())
    assert _sids(store, source(1, 5)) == []


def test_many_sids_come_in_parts(client: Client, store: Store) -> None:
    client.command(
        f"INSERT INTO {USAGE_LOG} (message_sid, source, occurred_at) SELECT concat('SM', "
        f"toString(number)), {source(1, 0)}, toDateTime64({RECENT_MS // 1000}, 3)"
        " FROM numbers(300000)"
    )
    sids = _Hashes()
    load_sids(store, [source(1, 0)], sids)
    assert len(sids.added) > 1
    assert {h for part in sids.added for h in part} == set(
        hashes_of([b"SM%d" % n for n in range(300_000)]).tolist()
    )


def test_messages_since_a_position_of_each_source(client: Client, store: Store) -> None:
    write_log(client, [message_at(1, offset, f"SM{offset}") for offset in range(10)], source(1, 0))
    others = [message_at(1, offset, f"other{offset}") for offset in (7, 8)]
    write_log(client, others, source(1, 1))
    write_log(client, [message_at(1, 8, "of nobody")], source(1, 2))
    first, second = MessageTable(), MessageTable()
    firsts = {source(1, 0): position(1, 7), source(1, 1): position(1, 8)}
    load_messages(store, firsts, {source(1, 0): first, source(1, 1): second})
    assert _held(first) == [message_at(1, n, f"SM{n}") for n in (7, 8, 9)]
    assert _held(second) == others[1:]
    nothing = MessageTable()
    load_messages(store, {source(1, 0): position(1, 10)}, {source(1, 0): nothing})
    assert _held(nothing) == []


def test_of_a_message_the_newest_row_counts_with_its_history(client: Client, store: Store) -> None:
    """Whether ClickHouse has merged its rows or not."""
    before = message_at(1, 3, "SM")
    after = [msgspec.structs.replace(before, version=position(1, n), body_length=n) for n in (9, 7)]
    entry = Entry(position(1, 9), 6, -5, 10**12, RECENT_MS, True)
    write_log(client, [before], source(1, 0))
    for changed in after:
        histories = {0: [entry._replace(position=changed.version)]}
        write_log(client, [changed], source(1, 0), histories)
    table = MessageTable()
    load_messages(store, {source(1, 0): position(1, 6)}, {source(1, 0): table})
    assert _held(table) == after[:1]
    assert table.histories[b"SM"].entries == [entry]


def test_all_cells_are_hot_when_they_are_few(client: Client, store: Store) -> None:
    written = write_cells(client, any_messages(1, 200), source(1, 0))
    write_cells(client, any_messages(2, 200), source(1, 1))
    for name in CELL_TABLES:
        table = CellTable({}, 123)
        load_cells(store, name, {source(1, 0): table}, 10_000)
        assert table.hot_from_s == 0
        assert table.take_dirty() is None
        assert contents(table) == contents(written[name])


def test_cells_of_several_sources_are_read_together(client: Client, store: Store) -> None:
    """Each back to its own bucket, however far that is."""
    written = write_cells(client, any_messages(1, 200), source(1, 0))
    write_cells(client, in_buckets(2, 3, 4), source(1, 1))
    write_cells(client, any_messages(2, 200), source(1, 2))
    first, second, third = (CellTable({}) for _ in range(3))
    tables = {source(1, 0): first, source(1, 1): second, source(1, 3): third}
    load_cells(store, USER_15M, tables, 201)
    assert contents(first) == contents(written[USER_15M])
    assert (len(second), len(third)) == (9, 0)
    assert [table.hot_from_s for table in tables.values()] == [0, 0, 0]


def test_nothing_is_hot_where_nothing_is(store: Store) -> None:
    for name in CELL_TABLES:
        table = CellTable({}, 123)
        load_cells(store, name, {source(1, 0): table}, 10_000)
        assert (len(table), table.hot_from_s) == (0, 0)


@pytest.mark.parametrize(
    ("limit", "newest"), [(9, 3), (8, 2), (7, 2), (5, 1), (4, 1)], ids=lambda n: str(n)
)
def test_the_newest_whole_buckets_are_hot(
    client: Client, store: Store, limit: int, newest: int
) -> None:
    write_cells(client, in_buckets(2, 3, 4), source(1, 0))
    table = CellTable({}, 0)
    load_cells(store, USER_15M, {source(1, 0): table}, limit)
    first, end = _RECENT_S + (3 - newest) * BUCKET_S, _RECENT_S + 3 * BUCKET_S
    assert len(table) == sum((2, 3, 4)[3 - newest :])
    assert {key[1] for key in contents(table)} == set(range(first, end, BUCKET_S))
    assert table.hot_from_s == (0 if newest == 3 else first)


def test_a_bucket_beyond_the_limit_stays_cold(client: Client, store: Store) -> None:
    write_cells(client, in_buckets(2, 3, 40), source(1, 0))
    table = CellTable({}, 0)
    load_cells(store, USER_15M, {source(1, 0): table}, 10)
    assert len(table) <= 10
    key = (1, _RECENT_S + 2 * BUCKET_S, 0)
    assert table.cold(keys_of([key])).tolist() == [key]
