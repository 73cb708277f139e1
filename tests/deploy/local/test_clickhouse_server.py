"""The embedded ClickHouse against clickhouse-connect: what the product asks of a server."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import clickhouse_connect
import pytest
import urllib3
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from schemas.rows import CELL_TABLES, LOG_DECISION, PROGRESS, USAGE_LOG
from schemas.settings import clickhouse_arguments

pytestmark = pytest.mark.live

ROWS = 50_000
SUM = ROWS * (ROWS - 1) // 2


@pytest.fixture
def table(clickhouse_client: Client) -> Client:
    """A client whose database has a table `t` of `ROWS` numbers with texts."""
    clickhouse_client.command("CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    clickhouse_client.command(f"INSERT INTO t SELECT number, 'x' FROM numbers({ROWS})")
    return clickhouse_client


@pytest.fixture(params=["lz4", "zstd", "gzip", False])
def compressing(request: pytest.FixtureRequest, clickhouse_database: str) -> Iterator[Client]:
    """A client for each coding, on a migrated database."""
    arguments = clickhouse_arguments(clickhouse_database)
    with clickhouse_connect.get_client(**arguments, compress=request.param) as client:
        yield client


def test_parameters_are_typed_and_cannot_break_out(clickhouse_client: Client) -> None:
    moment = datetime(2026, 3, 1, 12, 30, 0, 123000, tzinfo=UTC)
    awkward = "tab\t, quote ', backslash \\, newline \n, {x:String}, юникод"
    (row,) = clickhouse_client.query(
        "SELECT {text:String}, {number:Int64}, {texts:Array(String)},"
        " {moment:DateTime64(3, 'UTC')}, {nothing:Nullable(Int32)}",
        {
            "text": awkward,
            "number": -(2**62),
            "texts": [awkward, ""],
            "moment": moment,
            "nothing": None,
        },
    ).result_rows
    assert row == (awkward, -(2**62), [awkward, ""], moment.replace(tzinfo=None), None)


def test_parameters_too_long_for_a_url(clickhouse_client: Client) -> None:
    sids = [f"SM{number:032x}" for number in range(20_000)]
    question = (
        "SELECT length({sids:Array(String)}), has({sids:Array(String)}, {sids:Array(String)}[-1])"
    )
    assert clickhouse_client.query(question, {"sids": sids}).result_rows == [(20_000, True)]


def test_inserts_and_answers_in_every_coding(compressing: Client) -> None:
    compressing.command("CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    for start in range(0, ROWS, ROWS // 2):
        rows = [[number, "x" * 20] for number in range(start, start + ROWS // 2)]
        assert compressing.insert("t", rows).written_rows == ROWS // 2
    assert compressing.query("SELECT count(), sum(a) FROM t").result_rows == [(ROWS, SUM)]
    rows = compressing.query("SELECT * FROM t ORDER BY a").result_rows
    assert rows[-1] == (ROWS - 1, "x" * 20)
    with compressing.query_rows_stream("SELECT a FROM t") as stream:
        assert sum(row[0] for row in stream) == SUM


# Now, because rows beyond a table's TTL may be dropped as they are inserted.
NOW = datetime.now(UTC).replace(microsecond=999000, tzinfo=None)
VALUES: tuple[tuple[str, Any], ...] = (
    (r"UInt64", 2**64 - 1),
    (r"UInt32", 2**32 - 1),
    (r"UInt16", 2**16 - 1),
    (r"UInt8", 255),
    (r"Int64", -(2**63)),
    (r"Int32", -(2**31)),
    (r"Bool", True),
    (r"DateTime64.*", NOW),
    (r"DateTime.*", NOW.replace(microsecond=0)),
    (r"FixedString\(2\)", b"NP"),
    (r"(LowCardinality\()?String\)?", "310410 ' \t \\"),
    (r"Enum8\('([\w-]+)'.*", None),
)


def value_of(kind: str) -> Any:
    """An extreme value of a column type; arrays hold it twice, an enum its first name."""
    if inner := re.fullmatch(r"Array\((.*)\)", kind):
        return [value_of(inner[1])] * 2
    if inner := re.fullmatch(r"Nullable\((.*)\)", kind):
        return value_of(inner[1])
    for pattern, value in VALUES:
        if match := re.fullmatch(pattern, kind):
            return match[1] if kind.startswith("Enum8") else value
    raise AssertionError(f"no value for {kind}")


@pytest.mark.parametrize(
    "name", [USAGE_LOG, PROGRESS, *CELL_TABLES, "worker_attempts", "quarantine", LOG_DECISION]
)
def test_every_column_of_every_table_is_stored_as_it_was(compressing: Client, name: str) -> None:
    described = compressing.query(f"DESCRIBE TABLE {name}").result_rows
    columns = [row[:2] for row in described if row[2] != "MATERIALIZED"]
    full = [value_of(kind) for _, kind in columns]
    empty = [
        None if "Nullable" in kind and "Array" not in kind else [] if "Array" in kind else value
        for (_, kind), value in zip(columns, full, strict=True)
    ]
    for row in full, empty:
        compressing.insert(name, [row], column_names=[column for column, _ in columns])
        (stored,) = compressing.query(f"SELECT * FROM {name}").result_rows
        assert list(stored) == row
        compressing.command(f"TRUNCATE TABLE {name}")


@pytest.mark.parametrize("format", ["Native", "RowBinary", "CSV", "JSONEachRow", "Parquet"])
def test_raw_bytes_go_in_as_they_came_out(table: Client, format: str) -> None:
    rows = table.raw_query("SELECT a + 1000000 AS a, b FROM t", fmt=format)
    table.raw_insert("t", insert_block=rows, fmt=format)
    assert table.query("SELECT count(), max(a) FROM t").result_rows == [
        (2 * ROWS, 1_000_000 + ROWS - 1)
    ]


def test_an_empty_answer_still_names_its_columns(table: Client) -> None:
    assert table.query("SELECT a, b AS text FROM t WHERE a > 1e9").column_names == ("a", "text")
    assert table.raw_query("SELECT a FROM t WHERE a > 1e9", fmt="CSVWithNames") == b'"a"\n'
    with table.query_rows_stream("SELECT a FROM t WHERE a > 1e9") as stream:
        assert list(stream) == []


@pytest.mark.parametrize(
    ("sql", "code", "name"),
    [
        ("SELECT * FROM nowhere", 60, "UNKNOWN_TABLE"),
        ("SELEC 1", 62, "SYNTAX_ERROR"),
        ("nonsense", 62, "SYNTAX_ERROR"),
        ("SELECT throwIf(number = 3) FROM numbers(9)", 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT {x:String}", 456, "UNKNOWN_QUERY_PARAMETER"),
        ("INSERT INTO nowhere FORMAT CSV\n1", 60, "UNKNOWN_TABLE"),
    ],
)
def test_an_error_has_its_code(clickhouse_client: Client, sql: str, code: int, name: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        clickhouse_client.command(sql)
    assert (caught.value.code, caught.value.name) == (code, name)


def test_a_damaged_insert_stores_nothing(table: Client) -> None:
    rows = table.raw_query("SELECT * FROM t", fmt="Native")
    with pytest.raises(DatabaseError):
        table.raw_insert("t", insert_block=rows[:-5], fmt="Native")
    assert table.query("SELECT count() FROM t").result_rows == [(ROWS,)]


def test_rows_that_cannot_be_stored_are_not_acknowledged(table: Client) -> None:
    """Not even when they could be read: as on a full disk, of which nobody else would know."""
    table.command(
        "CREATE TABLE small (n UInt8, CONSTRAINT small CHECK n < 5) ENGINE = MergeTree ORDER BY n"
    )
    for rows in ("9\n", "1\n" * 200_000 + "9\n"):
        with pytest.raises(DatabaseError, match="VIOLATED_CONSTRAINT"):
            table.raw_insert("small", ["n"], rows, fmt="TSV")
    table.raw_insert("small", ["n"], "1\n4\n", fmt="TSV")
    table.command("INSERT INTO small (n) SETTINGS max_threads = 1 FORMAT TSV\n" + "2\n" * 3)
    assert table.query("SELECT sum(n) FROM small").result_rows == [(11,)]


def test_a_stream_that_breaks_off_is_no_whole_answer(table: Client) -> None:
    question = "SELECT a, throwIf(a = 49999) FROM t SETTINGS max_block_size = 100, max_threads = 1"
    with pytest.raises(StreamFailureError), table.query_rows_stream(question) as stream:
        list(stream)


def test_settings_and_databases_do_not_leak_between_queries(clickhouse_client: Client) -> None:
    asked = "SELECT getSetting('max_block_size'), currentDatabase()"
    before = clickhouse_client.query(asked).result_rows
    for settings in {"max_block_size": 7}, {"max_block_size": 8, "readonly": 1}:
        inside = clickhouse_client.query(asked, settings=settings).result_rows
        assert inside == [(settings["max_block_size"], clickhouse_client.database)]
    clickhouse_client.command("SET max_block_size = 9")
    clickhouse_client.command("USE system")
    for _ in range(12):  # more often than there are connections to the engine
        assert clickhouse_client.query(asked).result_rows == before


def test_readers_do_not_wait_for_a_long_query(table: Client, clickhouse_database: str) -> None:
    long = "SELECT sum(sipHash64(number)) FROM numbers(200000000) SETTINGS max_threads = 1"
    others = [
        clickhouse_connect.get_client(**clickhouse_arguments(clickhouse_database)) for _ in range(3)
    ]
    thread = threading.Thread(target=others[0].query, args=(long,))
    thread.start()
    time.sleep(0.2)
    answers = [client.query("SELECT sum(a) FROM t").result_rows for client in others[1:] * 5]
    others[1].insert("t", [[1, "y"]])
    assert thread.is_alive()
    assert answers == [[(SUM,)]] * 10
    thread.join()
    for client in others:
        client.close()


def test_many_readers_at_once_get_their_own_answers(table: Client, clickhouse: str) -> None:
    address, failures = clickhouse_arguments(clickhouse), []
    headers = urllib3.make_headers(basic_auth=f"{address['username']}:{address['password']}")
    pool = urllib3.PoolManager(maxsize=32, headers=headers)
    url = f"http://{address['host']}:{address['port']}/?database={table.database}"

    def ask(number: int) -> None:
        sql = "SELECT a FROM t WHERE a = {n:UInt64} LIMIT 1"
        answer = pool.request("POST", f"{url}&param_n={number}", body=sql).data
        if answer != f"{number}\n".encode():
            failures.append(answer)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_query_ends_when_its_client_leaves(table: Client, clickhouse: str) -> None:
    long = "SELECT sum(sipHash64(number)) FROM numbers(10000000000) SETTINGS max_threads = 1"
    address = clickhouse_arguments(clickhouse)
    headers = urllib3.make_headers(basic_auth=f"{address['username']}:{address['password']}")
    url = (
        f"http://{address['host']}:{address['port']}/?wait_end_of_query=1"
        "&cancel_http_readonly_queries_on_client_close=1"
    )
    with urllib3.PoolManager(retries=False) as pool, pytest.raises(urllib3.exceptions.HTTPError):
        pool.request("POST", url, body=long, headers=headers, timeout=0.5)
    running = "SELECT count() FROM system.processes WHERE startsWith(query, 'SELECT sum(sipHash64')"
    deadline = time.monotonic() + 5
    while table.query(running).result_rows != [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_query_ends_when_it_is_killed_by_its_id(table: Client, clickhouse: str) -> None:
    long = "SELECT sum(sipHash64(number)) FROM numbers(10000000000) SETTINGS max_threads = 1"
    with (
        ThreadPoolExecutor(1) as threads,
        clickhouse_connect.get_client(**clickhouse_arguments(clickhouse)) as client,
    ):
        running = threads.submit(client.query, long, settings={"query_id": "abc123"})
        deadline = time.monotonic() + 5
        while not running.done() and time.monotonic() < deadline:
            for other in ("abc12", "abc123"):
                table.command(f"KILL QUERY WHERE query_id = '{other}' ASYNC")
            time.sleep(0.1)
        with pytest.raises(DatabaseError, match="QUERY_WAS_CANCELLED"):
            running.result(1)


def test_limits_of_a_query_hold(clickhouse_client: Client) -> None:
    with pytest.raises(DatabaseError, match="TIMEOUT_EXCEEDED"):
        clickhouse_client.query(
            "SELECT sum(sipHash64(number)) FROM numbers(10000000000)",
            settings={"max_execution_time": 0.2},
        )
    with pytest.raises(DatabaseError, match="MEMORY_LIMIT_EXCEEDED"):
        clickhouse_client.query(
            "SELECT groupArray(number) FROM numbers(100000000)",
            settings={"max_memory_usage": 50_000_000},
        )


def test_a_wrong_password_is_refused(clickhouse: str) -> None:
    arguments = clickhouse_arguments(clickhouse) | {"password": "wrong"}
    with pytest.raises(DatabaseError, match="516"):
        clickhouse_connect.get_client(**arguments)
