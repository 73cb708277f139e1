"""`sms-analytics simulate`: options to a run of the simulated router, and its progress."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from deploy import runtime
from deploy.commands.options import DEFAULT, DataDir
from deploy.errors import Unusable

MAX_DAYS = 390
"""Older events than the message retention (400 days) would be rejected."""


def simulate(
    data_dir: DataDir = DEFAULT,
    rate: Annotated[
        float | None, typer.Option(min=0, help="Events a second; 0: as fast as possible.")
    ] = None,
    events: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many (with --days: of history).")
    ] = None,
    days: Annotated[
        int, typer.Option(min=0, max=MAX_DAYS, help="First fill so many days before now.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same users.")] = 1,
    users: Annotated[int, typer.Option(min=1, max=9_000_000, help="How many users.")] = 100,
    duplicates: Annotated[float, typer.Option(help="Share of repeated messages.")] = 0.0,
    late: Annotated[float, typer.Option(help="Share of late messages.")] = 0.0,
    poison: Annotated[float, typer.Option(help="Share of invalid records.")] = 0.0,
    receipts: Annotated[float, typer.Option(help="Share of status events.")] = 0.0,
    shuffle: Annotated[int, typer.Option(min=0, help="Disorder within so many records.")] = 0,
    ledger: Annotated[Path | None, typer.Option(help="Append what is sent to this file.")] = None,
    prepare: Annotated[
        Path | None, typer.Option(help="Write the records to this ledger, send nothing.")
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(exists=True, help="Send the records of this ledger.")
    ] = None,
) -> None:
    """Send seeded, realistic traffic to Kafka, like a router would.

    Exits with 1 if anything could not be delivered.
    """
    from deploy.simulate.delivery import deliver
    from deploy.simulate.ledger import read_ledger
    from deploy.simulate.router import Shares
    from deploy.simulate.run import Run, again

    if sum(file is not None for file in (ledger, prepare, replay)) > 1:
        raise typer.BadParameter("--ledger, --prepare and --replay exclude each other")
    if prepare is not None and events is None and not days:
        raise typer.BadParameter("--prepare needs --events or --days")
    try:
        shares = Shares(duplicates, late, poison, receipts)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if replay is not None:
        batches = again(read_ledger(replay))
    else:
        run = Run(seed, users, shares, shuffle, days, events, rate)
        batches = run.batches(time.time_ns() // 1_000_000)
    servers = None if prepare else kafka_servers(data_dir)
    raise typer.Exit(deliver(batches, ledger or prepare, servers, linger_ms=5 if rate else 20))


def kafka_servers(data_dir: Path) -> str:
    """`host:port[,host:port]` of SMS_KAFKA_URL, else of the `up` that runs on `data_dir`.

    Raises Unusable, saying what to do, if neither names a broker.
    """
    from schemas.settings import Settings

    runtime.join(data_dir)
    settings = Settings()
    if "kafka_url" not in settings.model_fields_set:
        raise Unusable(
            f"Nothing runs on {data_dir}: start `sms-analytics up` or set SMS_KAFKA_URL."
        )
    return settings.bootstrap_servers
