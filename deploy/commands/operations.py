"""`reconcile`, `dlq`, `phones` and `rates`: what an operator does while workers run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy import runtime
from deploy.commands.options import DEFAULT, DataDir
from deploy.errors import sentences
from deploy.topics import check_broker
from schemas.topics import RATE_CARD, USER_PHONES

if TYPE_CHECKING:
    from schemas.settings import Settings

dlq = typer.Typer(no_args_is_help=True, help="Dead letters: records that could not be folded.")
phones = typer.Typer(no_args_is_help=True, help="Which phone number belongs to which user.")
rates = typer.Typer(no_args_is_help=True, help="The rate card that messages are priced by.")

Reasons = Annotated[list[str] | None, typer.Option("--reason", help="Only those; repeatable.")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False)]


def reconcile(data_dir: DataDir = DEFAULT) -> None:
    """Prove that the rollups equal the usage log; exit code 1 and a table where they do not."""
    with _settings(data_dir) as settings:
        from streams.reconcile import main

        raise typer.Exit(main(settings))


@dlq.command("list")
def list_letters(reason: Reasons = None, data_dir: DataDir = DEFAULT) -> None:
    """Print where each dead letter came from and why it is one; never its bytes."""
    with _broker(data_dir) as servers:
        from streams.dlq import letters

        typer.echo("partition\toffset\treason\tfailed_at\tdetail")
        for letter in letters(servers, reason or ()):
            fields = (letter.partition, letter.offset, letter.reason, letter.failed_at)
            typer.echo("\t".join([*map(str, fields), letter.detail]))


@dlq.command()
def replay(reason: Reasons = None, data_dir: DataDir = DEFAULT) -> None:
    """Publish dead letters again, bytes unchanged; what is still wrong comes back."""
    with _broker(data_dir) as servers:
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
    with _settings(data_dir) as settings:
        from streams.dlq import quarantine as set_aside

        set_aside(settings, partition, offset, reason)
        typer.echo(f"offset {offset} of partition {partition} will be a dead letter")


@phones.command("load")
def load_phones(file: File, data_dir: DataDir = DEFAULT) -> None:
    """Publish a CSV file with the columns `phone_number,user_id`."""
    with _broker(data_dir) as servers:
        from streams import compacted

        typer.echo(f"{compacted.load_phones(servers, file)} numbers loaded")


@phones.command("show")
def show_phones(data_dir: DataDir = DEFAULT) -> None:
    """Print number and mapping, a line each."""
    _show(data_dir, USER_PHONES)


@rates.command("load")
def load_rates(file: File, data_dir: DataDir = DEFAULT) -> None:
    """Publish a rate card (TOML, in the shape of `schemas/rate_card.toml`)."""
    with _broker(data_dir) as servers:
        from streams import compacted

        typer.echo(f"{compacted.load_rates(servers, file)} records loaded")


@rates.command("show")
def show_rates(data_dir: DataDir = DEFAULT) -> None:
    """Print the rates that were loaded, a line each; none means the bundled card."""
    _show(data_dir, RATE_CARD)


def _show(data_dir: Path, topic: str) -> None:
    with _broker(data_dir) as servers:
        from streams import compacted

        for key, value in sorted(compacted.show(servers, topic).items()):
            typer.echo(f"{key}\t{value.decode(errors='replace')}")


@contextmanager
def _settings(data_dir: Path) -> Iterator[Settings]:
    """The settings, joined to a running `up`; a back end or a file that fails is a sentence."""
    runtime.join(data_dir)
    from schemas.settings import Settings

    with sentences():
        yield Settings()


@contextmanager
def _broker(data_dir: Path) -> Iterator[str]:
    """The bootstrap servers of a broker that answers: librdkafka would go on for long, and write
    a line for each attempt."""
    with _settings(data_dir) as settings:
        check_broker(settings.bootstrap_servers)
        yield settings.bootstrap_servers
