"""What a request to ClickHouse's HTTP interface asks for."""

from __future__ import annotations

from email.message import Message

import pytest

from deploy.local.clickhouse_request import Insert, Query, Request, arguments, killed, read


def request(query_string: str = "", body: bytes = b"", **headers: str) -> Request:
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return read(arguments(query_string), message, body)


def inserted(statement: Insert | Query) -> tuple[str, str, bytes]:
    assert isinstance(statement, Insert)
    return statement.sql.strip(), statement.format, b"".join(statement.chunks)


@pytest.mark.parametrize(
    ("query", "body", "expected"),
    [
        ("", b"INSERT INTO t FORMAT Native\n\x01\x02", ("INSERT INTO t", "Native", b"\x01\x02")),
        # Only one newline belongs to the statement: a binary row may begin with the next.
        ("", b"INSERT INTO t FORMAT Native\n\n\x01", ("INSERT INTO t", "Native", b"\n\x01")),
        ("", b"insert into t format TSV 1\t2", ("insert into t", "TSV", b"1\t2")),
        ("", b"INSERT INTO t FORMAT CSV;\r\n1,2", ("INSERT INTO t", "CSV", b"1,2")),
        ("INSERT INTO t FORMAT Native", b"\n\x01", ("INSERT INTO t", "Native", b"\n\x01")),
        ("INSERT INTO t FORMAT CSV 1,2", b"3,4", ("INSERT INTO t", "CSV", b"1,2\n3,4")),
        (
            "",
            b"INSERT INTO `a FORMAT b` (`x y`, values) SETTINGS s = 'FORMAT' FORMAT CSV\n1",
            ("INSERT INTO `a FORMAT b` (`x y`, values) SETTINGS s = 'FORMAT'", "CSV", b"1"),
        ),
        (
            "",
            b"/* FORMAT X */ INSERT -- VALUES\nINTO t FORMAT JSONEachRow\n{}",
            ("/* FORMAT X */ INSERT -- VALUES\nINTO t", "JSONEachRow", b"{}"),
        ),
    ],
)
def test_the_rows_of_an_insert_begin_behind_its_format(
    query: str, body: bytes, expected: tuple[str, str, bytes]
) -> None:
    made = read({"query": query}, Message(), body)
    assert inserted(made.statement) == expected


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t SELECT 'FORMAT CSV' FROM u",
        "INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        "INSERT INTO t VALUES ({x:String})",
        "SELECT 1 FORMAT CSV",
        "insertion",
    ],
)
def test_other_statements_stay_text(text: str) -> None:
    statement = request(body=text.encode()).statement
    assert isinstance(statement, Query)
    assert statement.sql == text


def test_many_values_are_rows_not_text() -> None:
    rows = b" (1, 'x')," * 50_000
    assert inserted(request(body=b"INSERT INTO t VALUES" + rows).statement) == (
        "INSERT INTO t",
        "Values",
        rows,
    )


@pytest.mark.parametrize(
    ("text", "default", "expected"),
    [
        ("SELECT 1", "", "TabSeparated"),
        ("SELECT 1", "JSON", "JSON"),
        ("SELECT 1 FORMAT CSV", "JSON", "CSV"),
        ("SELECT 1\n FORMAT Native\n", "", "Native"),
        ("SELECT 1 FORMAT CSV SETTINGS max_threads = 1;", "", "CSV"),
        ("SELECT 'FORMAT CSV'", "", "TabSeparated"),
    ],
)
def test_the_format_of_an_answer(text: str, default: str, expected: str) -> None:
    assert request(f"default_format={default}", text.encode()).statement.format == expected


def test_a_statement_without_its_format() -> None:
    assert Query("SELECT 1 FORMAT CSV SETTINGS a = 1", "CSV").without_format == "SELECT 1 "
    assert Query("SELECT 1 ;", "CSV").without_format == "SELECT 1 "


@pytest.mark.parametrize(
    ("text", "is_select", "changes_session"),
    [
        ("-- why\n select 1", True, False),
        ("(SELECT 1) UNION ALL (SELECT 2)", True, False),
        ("WITH 1 AS x SELECT x", True, False),
        ("SHOW TABLES", False, False),
        ("SET max_threads = 1", False, True),
        ("use other", False, True),
        ("CREATE TEMPORARY TABLE t (a Int8)", False, True),
        ("CREATE TABLE settings (a Int8) ENGINE = Memory", False, False),
    ],
)
def test_kinds_of_statements(text: str, is_select: bool, changes_session: bool) -> None:
    statement = Query(text, "TSV")
    assert (statement.is_select, statement.changes_session) == (is_select, changes_session)


def test_parameters_settings_and_the_rest() -> None:
    made = request(
        "database=d&max_threads=1&param_user=5%27&query_id=q&session_id=s&wait_end_of_query=1",
        b"SELECT {user:String}",
    )
    assert made.database == "d"
    assert made.settings == {"max_threads": "1"}
    assert made.parameters == {"user": "5'"}
    assert made.buffered


def test_the_database_may_come_in_a_header() -> None:
    assert request(body=b"SELECT 1", X_ClickHouse_Database="d").database == "d"


def test_a_setting_with_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not the name of a setting"):
        request("max_threads%3D1%20--=2", b"SELECT 1")


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT {x:String}\r\n'
    b'--b\r\nContent-Disposition: form-data; name="param_x"\r\n\r\na\r\nb\r\n--b--\r\n'
)


def test_a_form_carries_query_and_parameters() -> None:
    made = request("database=d", FORM, Content_Type="multipart/form-data; boundary=b")
    assert made == Request(Query("SELECT {x:String}\n", "TabSeparated"), "d", {}, {"x": "a\r\nb"})


def test_external_data_is_refused() -> None:
    form = FORM.replace(b'name="param_x"', b'name="t"; filename="t"')
    with pytest.raises(ValueError, match="external data"):
        request(body=form, Content_Type='multipart/form-data; boundary="b"')


@pytest.mark.parametrize(
    ("sql", "query_id"),
    [
        ("KILL QUERY WHERE query_id = 'a-1' ASYNC", "a-1"),
        ("kill query where query_id='a';", "a"),
        ("KILL QUERY WHERE query_id = 'a' SYNC FORMAT TabSeparated", "a"),
        ("KILL QUERY WHERE query_id = 'a' OR 1", None),
        ("KILL QUERY WHERE user = 'a'", None),
        ("SELECT 'KILL QUERY'", None),
    ],
)
def test_which_query_is_to_be_killed(sql: str, query_id: str | None) -> None:
    assert killed(request(body=sql.encode()).statement) == query_id
