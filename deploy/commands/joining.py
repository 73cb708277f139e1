"""What a command needs first: settings joined to a running `up`, and a broker that answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deploy import runtime
from deploy.errors import sentences
from deploy.topics import check_broker

if TYPE_CHECKING:
    from schemas.settings import Settings


@contextmanager
def joined(data_dir: Path) -> Iterator[Settings]:
    """The settings, joined to a running `up`; a back end or a file that fails is a sentence."""
    runtime.join(data_dir)
    from schemas.settings import Settings

    with sentences():
        yield Settings()


@contextmanager
def broker(data_dir: Path) -> Iterator[str]:
    """The bootstrap servers of a broker that answers: librdkafka would go on for long, and write
    a line for each attempt."""
    with joined(data_dir) as settings:
        check_broker(settings.bootstrap_servers)
        yield settings.bootstrap_servers


def show(data_dir: Path, topic: str) -> None:
    """Print the newest value of each key of a compacted topic, a line each."""
    with broker(data_dir) as servers:
        from streams import compacted

        for key, value in sorted(compacted.show(servers, topic).items()):
            typer.echo(f"{key}\t{value.decode(errors='replace')}")
