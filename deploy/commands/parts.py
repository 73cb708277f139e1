"""`worker`, `api` and `migrate`: the processes that production runs, one command each."""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from deploy import runtime
from deploy.commands.options import DEFAULT, DataDir
from deploy.errors import Unusable, sentences

_TIMEOUT_S = 60.0


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
    app = create_app(settings)
    # Answers leave few cycles, and what is kept lives long: to walk all of it again and again
    # would hold up everybody for 0.1 s at a time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.api_port,
        access_log=False,
        server_header=False,
        # Streams that are still being read must not hold up a stop.
        timeout_graceful_shutdown=2,
    )


def migrate(
    topics: Annotated[bool, typer.Option(help="Create the topics that Kafka lacks, too.")] = True,
    partitions: Annotated[int, typer.Option(min=1, help="Of a new usage topic.")] = 8,
    replication_factor: Annotated[int, typer.Option(min=1, help="Of a new topic.")] = 1,
    data_dir: DataDir = DEFAULT,
) -> None:
    """Give ClickHouse and Kafka the tables and topics that they lack, and their retention."""
    runtime.join(data_dir)
    from deploy.migrate import migrate as apply
    from deploy.topics import check_broker, create_missing_topics, set_retention
    from schemas.settings import Settings
    from schemas.topics import topics as wanted
    from streams.clickhouse import connect
    from streams.retention import apply_retention

    with sentences():
        settings = Settings()
        servers = settings.bootstrap_servers
        done = [f"applied {m.number:04d}_{m.name}" for m in apply(settings.clickhouse_url)]
        with connect(settings.clickhouse_url, _TIMEOUT_S) as client:
            done += apply_retention(client, settings)
        if topics:
            check_broker(servers)
            days = (settings.topic_retention_days, settings.dead_letter_retention_days)
            some = wanted(partitions, *days)
            created = create_missing_topics(servers, some, replication_factor)
            done += [f"created the topic {name}" for name in created]
            done += [f"set the retention of {name}" for name in set_retention(servers, some)]
    for line in done or ["nothing to do"]:
        typer.echo(line)
