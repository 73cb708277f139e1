"""Every SQL question against the real engine: rows in, parameters, rows out.

The cases lie in `sql/<question>/*.yaml`: `explain` says how the expected sums come about, `rows`
holds the tables' rows (columns that are not named are 0 or empty), `expect` the answer's rows
(columns that are not named must be 0 or empty; `expect_last`: its last rows). Times are RFC 3339.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from clickhouse_connect.driver.client import Client

from query_api import questions
from query_api.reports import COLUMNS

_CASES = Path(__file__).parent / "sql"
_SQL = Path(questions.__file__).parent / "sql"
_QUESTIONS = sorted(path.stem for path in _SQL.glob("*.sql"))
_FILES = sorted(_CASES.glob("*/*.yaml"))


@pytest.mark.live
@pytest.mark.parametrize("path", _FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_case(path: Path, lasting_client: Client) -> None:
    _check(path, lasting_client, questions.sql_of(path.parent.name))


@pytest.mark.live
@pytest.mark.parametrize(
    "path",
    [path for path in _FILES if path.parent.name == "user_comparison" and path.stem != "erased"],
    ids=lambda path: path.stem,
)
def test_where_nothing_is_erased_nobody_has_to_look(path: Path, lasting_client: Client) -> None:
    sql = questions.sql_of("user_comparison", "-- erased")
    assert "erased" not in sql
    _check(path, lasting_client, sql)


def _check(path: Path, lasting_client: Client, sql: str) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    for table, rows in case.get("rows", {}).items():
        insert(lasting_client, table, rows)
    parameters = {"erased_before": "{}"}  # as where nothing was ever erased
    parameters |= {name: value(given) for name, given in case.get("parameters", {}).items()}
    rows = [
        without_zeros(row)
        for row in lasting_client.query(sql, parameters=parameters).named_results()
    ]
    if "expect_last" in case:
        assert rows[-len(case["expect_last"]) :] == case["expect_last"]
    else:
        wanted = [expected(row) for row in case["expect"]]
        if "unordered." in (_SQL / f"{path.parent.name}.sql").read_text(encoding="utf-8"):
            rows, wanted = (
                sorted(some, key=lambda row: sorted(row.items())) for some in (rows, wanted)
            )
        assert rows == wanted


def insert(client: Client, table: str, rows: list[dict[str, Any]]) -> None:
    # One insert a row: rows of one part would never have to be merged by FINAL.
    for row in rows:
        line = json.dumps({name: _moment(value) for name, value in row.items()})
        client.raw_insert(table, insert_block=line, fmt="JSONEachRow")


def _moment(value: Any) -> Any:
    """A time as ClickHouse reads it in JSON."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return value


def value(given: Any) -> Any:
    """A time as the questions take and give it: epoch seconds."""
    if isinstance(given, list):
        return [value(item) for item in given]
    return int(given.timestamp()) if isinstance(given, datetime) else given


def expected(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value(given) for name, given in row.items() if given != []}


def without_zeros(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in row.items() if value not in (0, [])}


def _plain(value: Any) -> Any:
    """A decimal as the number that YAML has, a time as epoch seconds, bytes as the text."""
    if isinstance(value, datetime):
        return int(value.replace(tzinfo=UTC).timestamp())
    if isinstance(value, bytes):
        return value.decode()
    return float(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize("question", ["user_cells", "user_slots", "user_counterparties"])
def test_what_a_question_may_leave_out_are_whole_lines(question: str) -> None:
    text = questions.sql_of(question)
    without = questions.sql_of(question, "-- erased")
    (left_out,) = set(text.splitlines()) - set(without.splitlines())
    assert left_out.startswith("WHERE ")
    assert "erased" not in without
    assert "--" not in text
    assert ("processing_bins" in without) is (question == "user_cells")
    assert "processing_bins" not in questions.sql_of(question, "-- times")
    assert ("also" in text) is (question == "user_cells")
    assert "also" not in questions.sql_of(question, "-- also")
    about_one = questions.sql_of(question, is_about_one=True)
    assert "owner" not in about_one
    assert ("user_id = {user:" in about_one, "user_id IN {users:" in about_one) == (True, False)
    assert ("user_id = {user:" in text, "user_id IN {users:" in text) == (False, True)


def test_every_question_has_a_function_a_case_and_a_documented_head() -> None:
    assert {path.parent.name for path in _FILES} == set(_QUESTIONS)
    for question in _QUESTIONS:
        assert question in COLUMNS or callable(getattr(questions, question)), question
        sql = (_SQL / f"{question}.sql").read_text(encoding="utf-8")
        head = "\n".join(line for line in sql.splitlines() if line.startswith("--"))
        assert head.startswith(f"-- {question}: ")
        assert "-- Grain: " in head
        assert "-- Parameters:" in head
        for parameter in set(re.findall(r"\{(\w+):", sql)):
            assert re.search(rf"^--   .*\b{parameter}\b", head, re.MULTILINE), parameter
