"""`epoch`: going on when the log is not as the workers left it. Workers stop then, and say so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy import runtime
from deploy.commands.options import DEFAULT, DataDir
from deploy.errors import sentences
from deploy.topics import check_broker

if TYPE_CHECKING:
    from streams.decisions import Operator

epoch = typer.Typer(
    no_args_is_help=True,
    help="Go on with a topic that was made anew, became shorter, grew, or lost unread records.",
)

Reason = Annotated[str, typer.Option(help="Why; kept with your name in log_decision.")]


@epoch.command("next")
def begin_next(
    partitions: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Let the topic grow to so many.")
    ] = None,
    with_lag: Annotated[
        bool,
        typer.Option(
            "--with-lag",
            help="Although a topic that has grown holds unread records; a message that was sent"
            " again across the growth may then count twice.",
        ),
    ] = False,
    reason: Reason = "",
    data_dir: DataDir = DEFAULT,
) -> None:
    """Begin a new epoch of the usage topic's log, once no worker runs and no record waits."""
    with sentences():
        for line in _operator(data_dir).begin_next(partitions, with_lag=with_lag, reason=reason):
            typer.echo(line)


@epoch.command("accept-gap")
def accept_gap(
    partition: Annotated[
        int | None, typer.Option(min=0, help="Only of this partition; otherwise of all.")
    ] = None,
    reason: Reason = "",
    data_dir: DataDir = DEFAULT,
) -> None:
    """Go on without the records that Kafka deleted before a worker read them; says how many."""
    with sentences():
        for line in _operator(data_dir).accept_gap(partition, reason=reason):
            typer.echo(line)


def _operator(data_dir: Path) -> Operator:
    """Someone who acts on what the workers' settings name."""
    runtime.join(data_dir)
    from streams.decisions import Operator
    from streams.settings import WorkerSettings

    settings = WorkerSettings()
    check_broker(settings.bootstrap_servers)
    return Operator(settings)
