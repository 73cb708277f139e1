"""Schemathesis against the running API: what OpenAPI says is what is answered, and nothing else.

Every check of Schemathesis runs on every operation, with valid and invalid requests, as a user and
as an admin. `make schemathesis` runs many more examples (`SMS_TEST_EXAMPLES`).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from clickhouse_connect.driver.client import Client

from deploy.topics import create_missing_topics
from query_api.access import PUBLIC_PATHS
from schemas.topics import topics
from tests.query_api.cells import insert, some_cell
from tests.query_api.credentials import claims, signed
from tests.query_api.serving import served

pytestmark = pytest.mark.live

_EXAMPLES = os.environ.get("SMS_TEST_EXAMPLES", "")
_CONFIG = Path(__file__).with_name("schemathesis.toml")
_PUBLIC = {f"GET {path}" for path in PUBLIC_PATHS}
_ROLES = {"user": ["user"], "admin": ["user", "admin"]}


@pytest.fixture
def api(
    clickhouse_client: Client, clickhouse_database: str, kafka: str, tmp_path: Path
) -> Iterator[str]:
    create_missing_topics(kafka, topics())
    _fill(clickhouse_client)
    with served(
        tmp_path,
        clickhouse_url=clickhouse_database,
        kafka_url=f"kafka://{kafka}",
        # Refusals by number would hide the answers that are looked at here.
        user_requests_per_minute="0",
        address_failures_per_minute="0",
        ready_stall_s="100000",
        ready_lag_s="100000",
    ) as url:
        yield url


def _fill(database: Client) -> None:
    """A few messages of two users, so that answers are not empty."""
    hour = "now() - INTERVAL 2 HOUR"
    bucket = int(time.time() - 7200) // 900 * 900
    insert(database, [some_cell(user, bucket, 5) for user in (42, 43)])
    database.command(
        "INSERT INTO source_progress (source, next_offset, end_offset, as_of, partitions) VALUES "
        "(0, 5, 5, now(), 1)"
    )
    database.command(
        # Of a source that is not under way, so that erasures asked for meanwhile do not hide them.
        "INSERT INTO usage_log (user_id, occurred_at, message_sid, direction, message_type, status,"
        f" cost_source, source) SELECT 42, {hour}, concat('SM', toString(number)),"
        " 'outbound', 'sms', 'sent', 'rate_card', 1 FROM numbers(5)"
    )


@pytest.mark.parametrize("role", _ROLES)
def test_the_running_api_keeps_to_its_document(role: str, api: str, tmp_path: Path) -> None:
    hours = int(time.time()) + 24 * 3600
    token = signed(claims(roles=_ROLES[role], exp=hours))
    program = Path(sys.executable).with_name("schemathesis")
    command = [program, "--config-file", _CONFIG, "run", f"{api}/openapi.json"]
    command += ["--header", f"Authorization: Bearer {token}"]
    # One worker: with several, Python 3.11 may fail to parse (`AST constructor recursion depth`).
    command += ["--checks", "all", "--mode", "all", "--workers", "1", "--no-color"]
    # A year's cost export without a row is one query a day before its first byte.
    command += ["--request-timeout", "60", "--max-response-time", "60"]
    # Rules that span parameters (`time_range` without `start`, whose cursor it is) and what is a
    # zone cannot be said in OpenAPI: a 422 to what fits the document is no fault.
    command += ["--exclude-checks", "positive_data_acceptance"]
    phases = "examples,coverage,fuzzing" if role == "admin" or _EXAMPLES else "fuzzing"
    command += ["--phases", phases, "--max-examples", _EXAMPLES or "8"]
    command += ["--generation-database", "none", "--suppress-health-check", "all"]
    command += ["--continue-on-failure"]
    if not _EXAMPLES:
        command += ["--seed", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    if role == "admin":
        operations, seen = _operations(api), _seen(api)
        assert {name for name in operations if (name, "2") not in seen} == set()
        assert {name for name in operations - _PUBLIC if (name, "4") not in seen} == set()


def _operations(api: str) -> set[str]:
    """The operations of the document, as method and path."""
    with urlopen(f"{api}/openapi.json") as answer:
        paths = json.load(answer)["paths"]
    return {f"{method.upper()} {path}" for path, item in paths.items() for method in item}


def _seen(api: str) -> set[tuple[str, str]]:
    """Which operation was answered with which first digit of a status, by the API's own count."""
    with urlopen(f"{api}/metrics") as answer:
        text = answer.read().decode().replace(":path}", "}")
    pattern = r'sms_api_requests_total{method="(\w+)",route="(/[^"]+)",status="(\d)\d\d"}'
    return {(f"{method} {path}", digit) for method, path, digit in re.findall(pattern, text)}
