"""Migrations: what is pending, what is refused, and that the real engine takes them once."""

from __future__ import annotations

from dataclasses import replace

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from deploy.errors import Unusable
from deploy.migrate import Applied, migrate, pending, read_applied
from schemas import rows
from schemas.migrations import MIGRATIONS
from schemas.settings import clickhouse_arguments

ALL_APPLIED = [Applied(m.number, m.name, m.checksum) for m in MIGRATIONS]


def test_a_new_database_lacks_all_of_them() -> None:
    assert pending(MIGRATIONS, []) == list(MIGRATIONS)


def test_what_was_applied_is_not_pending() -> None:
    assert pending(MIGRATIONS, ALL_APPLIED[:2]) == list(MIGRATIONS[2:])
    assert pending(MIGRATIONS, ALL_APPLIED) == []


def test_an_edited_migration_is_refused() -> None:
    edited = [*ALL_APPLIED[:1], replace(ALL_APPLIED[1], checksum="0" * 64)]
    with pytest.raises(Unusable, match=f"0002_{MIGRATIONS[1].name} was edited after"):
        pending(MIGRATIONS, edited)


@pytest.mark.parametrize("stranger", [Applied(9999, "from_the_future", "0"), Applied(1, "x", "0")])
def test_an_unknown_migration_is_refused(stranger: Applied) -> None:
    with pytest.raises(Unusable, match=f"{stranger.number:04d}_{stranger.name}.*newer version"):
        pending(MIGRATIONS, [stranger])


@pytest.mark.live
def test_they_are_applied_once_and_make_every_table(clickhouse_client: Client) -> None:
    tables = {row[0] for row in clickhouse_client.query("SHOW TABLES").result_rows}
    assert {rows.USAGE_LOG, rows.PROGRESS, *rows.CELL_TABLES} <= tables
    assert read_applied(clickhouse_client) == ALL_APPLIED


@pytest.mark.live
def test_migrating_again_changes_nothing(clickhouse_database: str) -> None:
    assert migrate(clickhouse_database) == []


@pytest.mark.live
def test_an_edited_file_stops_the_real_one(clickhouse_database: str) -> None:
    edited = [replace(MIGRATIONS[0], checksum="0" * 64), *MIGRATIONS[1:]]
    with pytest.raises(Unusable, match="edited"):
        migrate(clickhouse_database, edited)


@pytest.mark.live
def test_a_migration_that_fails_is_named_and_not_recorded(clickhouse_database: str) -> None:
    bad = replace(MIGRATIONS[0], number=9000, name="create_nonsense", sql="CREATE TABLE (")
    with pytest.raises(Unusable, match=r"9000_create_nonsense failed\. .*Syntax error"):
        migrate(clickhouse_database, [*MIGRATIONS, bad])
    with clickhouse_connect.get_client(**clickhouse_arguments(clickhouse_database)) as client:
        assert read_applied(client) == ALL_APPLIED


def test_a_server_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(Unusable, match=r"^ClickHouse does not answer at 127\.0\.0\.1:9\.$"):
        migrate("http://127.0.0.1:9/default")
