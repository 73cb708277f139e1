"""The migrations: numbered, one table each, every choice with its reason, and the columns that
`schemas.rows` writes."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest

from schemas import rows
from schemas.events import MESSAGE_RETENTION_DAYS
from schemas.migrations import MIGRATIONS, Migration

_CHOICES = ("ENGINE", "ORDER BY", "PARTITION BY", "TTL")
_ENUMS = {
    "user_decision": rows.USER_DECISIONS,
    "direction": rows.DIRECTIONS,
    "message_type": rows.MESSAGE_TYPES,
    "status": rows.STATUS_CODES,
    "encoding": {name or "unknown": code for name, code in rows.ENCODINGS.items()},
    "cost_source": rows.COST_SOURCES,
    "rate_origin": rows.RATE_ORIGINS,
}
_EVERY = pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda migration: migration.name)
_CELLS = pytest.mark.parametrize("table", rows.CELL_TABLES)


@dataclass(frozen=True)
class _Table:
    """A CREATE TABLE, parsed: `columns` name to type in order, `clauses` what follows them."""

    columns: dict[str, str]
    clauses: dict[str, str]


def _comments_and_statement(sql: str) -> tuple[str, str]:
    lines = sql.splitlines()
    header = [line[2:].strip() for line in lines if line.startswith("--")]
    statement = [line for line in lines if not line.lstrip().startswith("--")]
    return " ".join(header), "\n".join(statement)


def _parse(sql: str) -> tuple[str, _Table]:
    _, statement = _comments_and_statement(sql)
    match = re.fullmatch(
        r"\s*CREATE TABLE IF NOT EXISTS (\w+)\n\(\n(.*)\n\)\n(.*)", statement, re.DOTALL
    )
    assert match, statement
    name, body, tail = match.groups()
    entries = re.split(r",\n(?=    \w)", body)
    columns = {}
    for entry in entries:
        column, kind = entry.strip().split(maxsplit=1)
        if column != "INDEX":
            columns[column] = re.sub(r"\s+", " ", kind)
    clauses = dict(re.findall(r"^(ENGINE|PARTITION BY|ORDER BY|TTL)(?: =)? (.*)$", tail, re.M))
    return name, _Table(columns, clauses)


def _with_additions(tables: dict[str, _Table]) -> dict[str, _Table]:
    """The tables after every `ALTER TABLE … ADD COLUMN` and `… MODIFY COLUMN`, in order."""
    for migration in MIGRATIONS:
        _, statement = _comments_and_statement(migration.sql)
        for added in _ADDED.finditer(statement):
            table = tables[migration.sql.split("ALTER TABLE ")[1].split()[0]]
            names = list(table.columns)
            names.insert(names.index(added["after"]) + 1, added["column"])
            kinds = table.columns | {added["column"]: " ".join(added["kind"].split())}
            table.columns.clear()
            table.columns.update((name, kinds[name]) for name in names)
        for changed in _CHANGED.finditer(statement):
            table = tables[migration.sql.split("ALTER TABLE ")[1].split()[0]]
            assert changed["column"] in table.columns
            table.columns[changed["column"]] = " ".join(changed["kind"].split())
    return tables


_ADDED = re.compile(
    r"ADD COLUMN IF NOT EXISTS (?P<column>\w+)\s+(?P<kind>.+?)\s+AFTER (?P<after>\w+)", re.DOTALL
)
_CHANGED = re.compile(r"MODIFY COLUMN (?P<column>\w+)\s+(?P<kind>.+)", re.DOTALL)
_CREATED = [migration for migration in MIGRATIONS if "CREATE TABLE" in migration.sql]
_TABLES = _with_additions(dict(_parse(migration.sql) for migration in _CREATED))


def test_numbers_run_from_one_without_a_gap() -> None:
    assert [migration.number for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


@_EVERY
def test_name_is_verb_and_object(migration: Migration) -> None:
    verb, _, noun = migration.name.partition("_")
    assert verb in {"create", "add", "change", "drop"}
    if verb == "create":
        assert re.search(
            rf"^CREATE (TABLE|(MATERIALIZED )?VIEW) IF NOT EXISTS {noun}\b", migration.sql, re.M
        )
    else:
        assert any(noun.startswith(table) for table in _TABLES)


@_EVERY
def test_checksum_is_of_the_text(migration: Migration) -> None:
    assert migration.checksum == hashlib.sha256(migration.sql.encode()).hexdigest()


@_EVERY
def test_header_gives_a_reason_for_every_choice(migration: Migration) -> None:
    header, _ = _comments_and_statement(migration.sql)
    for choice in _CHOICES:
        assert choice in header, f"{migration.name} does not say why its {choice} is as it is"


@_CELLS
def test_cell_columns_are_those_of_rows(table: str) -> None:
    columns = _TABLES[table].columns
    arrays = [
        (name, f"Array({kind})")
        for keys, counts, key_type in rows.SPARSE
        for name, kind in ((keys, key_type), (counts, "Int64"))
    ]
    expected = [*rows.CELL_KEYS[table], "version", *rows.COUNTERS, *(name for name, _ in arrays)]
    assert list(columns) == expected
    assert {columns[counter] for counter in rows.COUNTERS} == {"Int64"}
    assert [columns[name] for name, _ in arrays] == [kind for _, kind in arrays]
    assert set(rows.MAXIMA) <= set(rows.COUNTERS)


@_CELLS
def test_cells_are_absolute_and_keyed_by_source(table: str) -> None:
    clauses = _TABLES[table].clauses
    assert clauses["ENGINE"] == "ReplacingMergeTree(version)"
    assert clauses["ORDER BY"] == f"({', '.join(rows.CELL_KEYS[table])})"
    assert rows.CELL_KEYS[table][-1] == "source"


def test_cell_tables_of_one_kind_differ_in_width_only() -> None:
    for key in set(rows.CELL_KEYS.values()):
        tables = [table for table in rows.CELL_TABLES if rows.CELL_KEYS[table] == key]
        assert len({tuple(_TABLES[table].columns.items()) for table in tables}) == 1


def test_days_are_written_last() -> None:
    # The API takes it from the days that nothing has changed, and keeps what it has read.
    assert rows.USER_TABLES[-1] == rows.USER_1D
    assert rows.SYSTEM_TABLES[-1] == rows.SYSTEM_1D
    assert rows.CELL_TABLES == rows.USER_TABLES + rows.SYSTEM_TABLES


@pytest.mark.parametrize("table", [rows.USAGE_LOG, *rows.CELL_TABLES])
def test_partitions_are_of_a_key_column(table: str) -> None:
    clauses = _TABLES[table].clauses
    match = re.fullmatch(r"toYYYYMM(?:DD)?\((\w+)\)", clauses["PARTITION BY"])
    assert match
    assert match[1] in clauses["ORDER BY"].strip("()").split(", ")


def test_rows_are_kept_for_the_retention() -> None:
    for table in {rows.USAGE_LOG, *rows.CELL_TABLES} - {rows.SYSTEM_1M}:
        assert f"INTERVAL {MESSAGE_RETENTION_DAYS} DAY" in _TABLES[table].clauses["TTL"]
    assert "INTERVAL 48 HOUR" in _TABLES[rows.SYSTEM_1M].clauses["TTL"]


@pytest.mark.parametrize("column", _ENUMS)
def test_enums_are_those_of_rows(column: str) -> None:
    found = re.findall(r"'([\w-]+)' = (\d+)", _TABLES[rows.USAGE_LOG].columns[column])
    assert {name: int(code) for name, code in found} == _ENUMS[column]


def test_progress_keeps_the_greatest_offset() -> None:
    clauses = _TABLES[rows.PROGRESS].clauses
    assert clauses["ENGINE"] == "ReplacingMergeTree(next_offset)"
    assert clauses["ORDER BY"] == "source"


_RUN_ALL = """
import json, sys
import chdb
connection = chdb.connect(":memory:")
for sql in json.load(sys.stdin):
    connection.query(sql)
    connection.query(sql)
answer = connection.query(
    "SELECT table, groupArrayIf(name, default_kind != 'MATERIALIZED'),"
    " groupArrayIf(name, default_kind = 'MATERIALIZED') FROM"
    " (SELECT table, name, default_kind FROM system.columns"
    "  WHERE database = currentDatabase() AND table IN"
    "  (SELECT name FROM system.tables WHERE database = currentDatabase()"
    "   AND engine NOT LIKE '%View')"
    "  ORDER BY table, position) GROUP BY table", "JSONCompact")
print(answer)
"""


@pytest.mark.live
def test_migrations_run_twice_on_the_real_engine() -> None:
    # A process of its own: chDB holds one database a process.
    run = subprocess.run(
        [sys.executable, "-c", _RUN_ALL],
        input=json.dumps([migration.sql for migration in MIGRATIONS]),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = json.loads(run.stdout)["data"]
    created = {table: columns for table, columns, _ in found}
    assert created == {name: list(table.columns) for name, table in _TABLES.items()}
    computed = {table: columns for table, _, columns in found if columns}
    assert computed == {
        rows.USER_15M: ["totals", "statuses"],
        rows.USER_1D: ["statuses", "good", "bad", "cost_micros"],
        rows.USAGE_LOG: ["savings"],
    }
