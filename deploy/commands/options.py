"""The option that every command has, and the argument of those that take a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT = Path(".sms-analytics")
DataDir = Annotated[
    Path,
    typer.Option(help="Data directory of `up`; what runs on it is used unless SMS_… says else."),
]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False)]
