"""This project's own worker as an engine: the processes and settings that production runs."""

from __future__ import annotations

import re
import sys
from datetime import datetime

import clickhouse_connect

from bench.engines.engine import Engine, Job, Run
from bench.engines.traffic import Cells
from deploy.migrate import migrate
from schemas.rows import USER_15M
from schemas.settings import clickhouse_arguments

_ASSIGNED = re.compile(r"^(\S+ \S+),(\d+) INFO \S+: folding partitions", re.MULTILINE)
_CELLS = f"""
SELECT
    concat(toString(user_id), '|', toString(toUnixTimestamp(bucket)), '|', toString(direction),
        '|', toString(message_type), '|', toString(country_code)) AS cell,
    sum(messages), sum(segments), sum(body_length), sum(processing_sum_us),
    sum(processing_count), sum(status_delivered)
FROM {USER_15M} FINAL
GROUP BY cell
"""


def core() -> Engine:
    """The job of the other engines, by the worker's setting for it."""
    return _engine("core", "user_cells")


def whole() -> Engine:
    """The whole job: decode, check, dedupe, price, usage log and all rollups."""
    return _engine("whole", "all")


def _engine(job: Job, output: str) -> Engine:
    return Engine(
        "sms-analytics",
        job,
        lambda run: [[sys.executable, "-m", "streams.worker"]] * run.workers,
        cells=_cells,
        environment=lambda run: _environment(run) | {"SMS_OUTPUT": output},
        began=_assigned,
        prepare=_create,
        clean=_drop,
    )


def _environment(run: Run) -> dict[str, str]:
    return {
        "SMS_KAFKA_URL": f"kafka://{run.platform.bootstrap}",
        "SMS_CLICKHOUSE_URL": _url(run),
        "SMS_CONSUMER_GROUP": run.group,
    }


def _assigned(output: str) -> float | None:
    """When a worker began to read, which is a little before its first record."""
    times = [
        datetime.strptime(at, "%Y-%m-%d %H:%M:%S").timestamp() + int(millisecond) / 1000
        for at, millisecond in _ASSIGNED.findall(output)
    ]
    return min(times, default=None)


def _database(run: Run) -> str:
    return "".join(character if character.isalnum() else "_" for character in run.group)


def _url(run: Run) -> str:
    return f"{run.platform.url.rpartition('/')[0]}/{_database(run)}"


def _cells(run: Run) -> Cells:
    with clickhouse_connect.get_client(**clickhouse_arguments(_url(run))) as client:
        rows = client.query(_CELLS).result_rows
    return {row[0]: tuple(map(int, row[1:])) for row in rows}


def _create(run: Run) -> None:
    migrate(_url(run))


def _drop(run: Run) -> None:
    run.platform.client.command(f"DROP DATABASE IF EXISTS {_database(run)}")
