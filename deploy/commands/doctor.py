"""`doctor`: what a machine needs, and whether the parts can be reached; a line each."""

from __future__ import annotations

import os

import typer

from deploy import runtime
from deploy.commands.options import DEFAULT, DataDir
from deploy.data_dir import DataDirectory
from deploy.errors import sentences


def doctor(
    data_dir: DataDir = DEFAULT,
    api_port: int = 8000,
    kafka_port: int = 9092,
    clickhouse_port: int = 8123,
) -> None:
    """Check this machine, the back ends and what they hold; exit code 1 if something is wrong."""
    from deploy import checks
    from schemas.settings import Settings

    directory = DataDirectory(data_dir)
    runtime.join(data_dir)
    ports = {
        "--api-port": api_port,
        "--kafka-port": kafka_port,
        "--clickhouse-port": clickhouse_port,
    }
    results = checks.machine(directory, os.environ.get("SMS_JAVA", ""), ports)
    with sentences():
        settings = Settings()
    # Without an `up` and without settings there is nothing that should answer yet.
    if settings.model_fields_set & {"kafka_url", "clickhouse_url"}:
        results += checks.back_ends(settings)
    else:
        typer.echo(f"     nothing runs on {data_dir}, and SMS_KAFKA_URL is not set")
    for result in results:
        typer.echo(f"{'ok  ' if result.ok else 'FAIL'} {result.name}: {result.detail}")
    raise typer.Exit(0 if all(result.ok for result in results) else 1)
