"""`up` and `token`: everything on one machine, with development keys."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.options import DEFAULT, DataDir
from deploy.data_dir import DataDirectory
from deploy.errors import Unusable

_Port = typer.Option(min=1, max=65535)


def up(
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = DEFAULT,
    host: Annotated[str, typer.Option(help="Address that the API listens on.")] = "127.0.0.1",
    api_port: Annotated[int, _Port] = 8000,
    kafka_port: Annotated[int, _Port] = 9092,
    clickhouse_port: Annotated[int, _Port] = 8123,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Stream workers.")] = 1,
    simulate: Annotated[
        float | None, typer.Option(min=0, help="Simulated events a second; 0: all it can.")
    ] = None,
    backfill_days: Annotated[
        int, typer.Option(min=0, max=390, help="Days of simulated history, filled in once.")
    ] = 0,
) -> None:
    """Run everything on this machine until Ctrl-C; what it stored is there at the next start."""
    from deploy.local import platform

    options = platform.Options(
        data_dir=data_dir,
        host=host,
        api_port=api_port,
        kafka_port=kafka_port,
        clickhouse_port=clickhouse_port,
        workers=workers,
        simulate=simulate,
        backfill_days=backfill_days,
        java=os.environ.get("SMS_JAVA", ""),
    )
    platform.up(options, lambda line: typer.echo(line, err=True), typer.echo)


def token(
    user_id: Annotated[int, typer.Option(min=1, max=2**53 - 1, help="The user.")],
    admin: Annotated[bool, typer.Option("--admin", help="With the role `admin` too.")] = False,
    expires_in_hours: Annotated[float, typer.Option(min=0.001, help="Its life.")] = 24.0,
    data_dir: DataDir = DEFAULT,
) -> None:
    """Print a development token for the API of `up`, and nothing else."""
    from deploy.tokens import development_token

    directory = DataDirectory(data_dir)
    if not directory.is_made:
        raise Unusable(f"{data_dir} is no data directory yet: start `sms-analytics up` first.")
    typer.echo(
        development_token(
            directory,
            user_id,
            ["user", "admin"] if admin else ["user"],
            issued_at=int(time.time()),
            expires_in_s=int(expires_in_hours * 3600),
        )
    )
