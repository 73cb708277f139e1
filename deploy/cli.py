"""`sms-analytics`: the command line. Commands import the heavy parts when they run."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from deploy.commands.development import token, up
from deploy.commands.doctor import doctor
from deploy.commands.epoch import epoch
from deploy.commands.operations import dlq, phones, reconcile
from deploy.commands.parts import api, migrate, worker
from deploy.commands.rates import rates
from deploy.errors import Unusable
from deploy.simulate.command import simulate


class _Sentences(TyperGroup):
    """Ends a command that cannot go on with its one sentence and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Unusable as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=_Sentences,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Exact SMS usage analytics: a stream processor over Kafka and ClickHouse, and its API.",
)

for command in (up, token, simulate, doctor, worker, api, migrate, reconcile):
    app.command()(command)
app.add_typer(dlq, name="dlq")
app.add_typer(epoch, name="epoch")
app.add_typer(phones, name="phones")
app.add_typer(rates, name="rates")

if __name__ == "__main__":
    app()
