"""Brings a ClickHouse database to the tables of `schemas.migrations`, each migration once.

What was applied stands in the table `schema_migrations` beside the tables themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from deploy.errors import Unusable, clickhouse_sentence, sentences
from schemas.migrations import MIGRATIONS, Migration
from schemas.settings import clickhouse_arguments
from streams.retention import kept_days

# ENGINE: two processes that migrate at once write the same row twice; ReplacingMergeTree keeps
# the newer. ORDER BY number: read whole. No PARTITION BY or TTL: a row is a migration.
_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    number     UInt16,
    name       String,
    checksum   String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY number
"""

# A migration may copy a table, which takes as long as the table is large: 9 million messages 20 to
# 60 s on two cores (measured).
_PATIENCE_S = 3600
# A copy is of any number of months, and of blocks that fit into a small machine's memory: 512 MiB,
# where ClickHouse's defaults need more than 1 GiB, and take as long (measured).
_SETTINGS = {
    "max_execution_time": 0,
    "max_partitions_per_insert_block": 0,
    "max_threads": 4,
    "max_insert_threads": 4,
    "min_insert_block_size_rows": 1 << 18,
    "min_insert_block_size_bytes": 64 << 20,
}

_MADE_ANEW = re.compile(
    r"^CREATE OR REPLACE TABLE (\w+)$.*?^(TTL .*) INTERVAL \d+ DAY$", re.M | re.S
)


@dataclass(frozen=True)
class Applied:
    """A migration that a database has: what it was called, and the SHA-256 of its text then."""

    number: int
    name: str
    checksum: str


def pending(known: Sequence[Migration], applied: Iterable[Applied]) -> list[Migration]:
    """The migrations that a database still lacks, in order.

    Raises Unusable when one was edited after it was applied, or is not known here at all.
    """
    by_number = {migration.number: migration for migration in known}
    done = set()
    for row in applied:
        title = f"{row.number:04d}_{row.name}"
        migration = by_number.get(row.number)
        if migration is None or migration.name != row.name:
            raise Unusable(
                f"The database has the migration {title}, which this version does not know: "
                "a newer version made it."
            )
        if migration.checksum != row.checksum:
            raise Unusable(
                f"The migration {title} was edited after it was applied: restore its file and "
                "write a new migration for the change."
            )
        done.add(row.number)
    return [migration for migration in known if migration.number not in done]


def migrate(url: str, known: Sequence[Migration] = MIGRATIONS) -> list[Migration]:
    """Apply what the database of a `SMS_CLICKHOUSE_URL` lacks, making it if it is not there.

    Returns what was applied. Raises Unusable.
    """
    with sentences():
        _create_database(url)
        arguments = clickhouse_arguments(url) | {"send_receive_timeout": _PATIENCE_S}
        with clickhouse_connect.get_client(**arguments) as client:
            client.command(_LEDGER)
            missing = pending(known, read_applied(client))
            for migration in missing:
                _apply(client, migration)
            return missing


def read_applied(client: Client) -> list[Applied]:
    """What the ledger of the client's database says; empty where nothing was migrated yet."""
    if not client.command("EXISTS TABLE schema_migrations"):
        return []
    question = "SELECT number, name, checksum FROM schema_migrations FINAL ORDER BY number"
    return [Applied(*row) for row in client.query(question).result_rows]


def _create_database(url: str) -> None:
    arguments = clickhouse_arguments(url)
    database = arguments.pop("database")
    if database != "default":
        with clickhouse_connect.get_client(**arguments) as client:
            client.command(f"CREATE DATABASE IF NOT EXISTS `{database}`")


def _apply(client: Client, migration: Migration) -> None:
    try:
        client.command(_statement(client, migration.sql), settings=_SETTINGS)
    except ClickHouseError as error:
        title = f"{migration.number:04d}_{migration.name}"
        raise Unusable(f"The migration {title} failed. {clickhouse_sentence(str(error))}") from None
    row = [migration.number, migration.name, migration.checksum]
    client.insert("schema_migrations", [row], column_names=["number", "name", "checksum"])


def _statement(client: Client, sql: str) -> str:
    """A migration's SQL; a table that it makes anew keeps rows for as long as an operator said.

    With the default's TTL, older rows would go before the settings' is given to the table again.
    """
    match = _MADE_ANEW.search(sql)
    if match is None:
        return sql
    ((table,),) = client.query(f"SHOW CREATE TABLE {match[1]}").result_rows
    days = kept_days(table)
    kept = f"{match[2]} INTERVAL {days} DAY" if days else ""
    return sql[: match.start(2)] + kept + sql[match.end() :]
