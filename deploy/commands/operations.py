"""`reconcile`, `dlq` and `phones`: what an operator does while workers run."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.commands.joining import broker, joined, show
from deploy.commands.options import DEFAULT, DataDir, File
from schemas.topics import USER_PHONES

dlq = typer.Typer(no_args_is_help=True, help="Dead letters: records that could not be folded.")
phones = typer.Typer(no_args_is_help=True, help="Which phone number belongs to which user.")

Reasons = Annotated[list[str] | None, typer.Option("--reason", help="Only those; repeatable.")]


def reconcile(data_dir: DataDir = DEFAULT) -> None:
    """Prove that the rollups equal the usage log; exit code 1 and a table where they do not."""
    with joined(data_dir) as settings:
        from streams.reconcile import main

        raise typer.Exit(main(settings))


@dlq.command("list")
def list_letters(reason: Reasons = None, data_dir: DataDir = DEFAULT) -> None:
    """Print where each dead letter came from and why it is one; never its bytes."""
    with broker(data_dir) as servers:
        from streams.dlq import letters

        typer.echo("partition\toffset\treason\tfailed_at\tdetail")
        for letter in letters(servers, reason or ()):
            fields = (letter.partition, letter.offset, letter.reason, letter.failed_at)
            typer.echo("\t".join([*map(str, fields), letter.detail]))


@dlq.command()
def replay(reason: Reasons = None, data_dir: DataDir = DEFAULT) -> None:
    """Publish dead letters again, bytes unchanged; what is still wrong comes back."""
    with broker(data_dir) as servers:
        from streams.dlq import replay as send

        typer.echo(f"{send(servers, reason or ())} records sent again")


@dlq.command()
def quarantine(
    partition: Annotated[int, typer.Argument(min=0)],
    offset: Annotated[int, typer.Argument(min=0)],
    reason: Annotated[str, typer.Option(help="Why; kept with your name.")] = "",
    data_dir: DataDir = DEFAULT,
) -> None:
    """Have the worker set aside one record that it dies of, unread, when it next starts."""
    with joined(data_dir) as settings:
        from streams.dlq import quarantine as set_aside

        set_aside(settings, partition, offset, reason)
        typer.echo(f"offset {offset} of partition {partition} will be a dead letter")


@phones.command("load")
def load_phones(file: File, data_dir: DataDir = DEFAULT) -> None:
    """Publish a CSV file with the columns `phone_number,user_id`."""
    with broker(data_dir) as servers:
        from streams import compacted

        typer.echo(f"{compacted.load_phones(servers, file)} numbers loaded")


@phones.command("show")
def show_phones(data_dir: DataDir = DEFAULT) -> None:
    """Print number and mapping, a line each."""
    show(data_dir, USER_PHONES)
