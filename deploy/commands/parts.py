"""`worker`, `api` and `migrate`: the processes that production runs, one command each."""

from __future__ import annotations

import typer

from deploy import runtime
from deploy.commands.options import DEFAULT, DataDir
from deploy.errors import Unusable


def worker(data_dir: DataDir = DEFAULT) -> None:
    """Run one stream worker, a member of the consumer group."""
    runtime.join(data_dir)
    from streams.worker import main

    raise typer.Exit(main())


def api(data_dir: DataDir = DEFAULT) -> None:
    """Serve the query API."""
    runtime.join(data_dir)
    import uvicorn

    from query_api.app import create_app
    from query_api.settings import InvalidSettingsError, load_settings

    try:
        settings = load_settings()
    except InvalidSettingsError as error:
        raise Unusable(str(error)) from None
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.api_port,
        access_log=False,
        server_header=False,
        # Streams that are still being read must not hold up a stop.
        timeout_graceful_shutdown=2,
    )


def migrate(data_dir: DataDir = DEFAULT) -> None:
    """Bring the ClickHouse database to this version's tables."""
    runtime.join(data_dir)
    from deploy.migrate import migrate as apply
    from schemas.settings import Settings

    for migration in (applied := apply(Settings().clickhouse_url)):
        typer.echo(f"applied {migration.number:04d}_{migration.name}")
    if not applied:
        typer.echo("nothing to apply")
