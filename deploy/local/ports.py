"""TCP ports of this machine: a free one, and whether those that were asked for are free."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from deploy.errors import Unusable


@dataclass(frozen=True)
class WantedPort:
    """A port that something shall listen on, and the option by which to choose another."""

    host: str
    port: int
    option: str


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def check_ports(wanted: Sequence[WantedPort], patience_s: float = 3.0) -> None:
    """Raise Unusable, naming the port and its option, unless all are free and different.

    Waits a little for ports that the processes of a killed predecessor still hold.
    """
    deadline = time.monotonic() + patience_s
    for place, item in enumerate(wanted):
        if item.port in [other.port for other in wanted[:place]]:
            raise Unusable(f"Port {item.port} is given twice; choose another with {item.option}.")
        while reason := why_not(item):
            if time.monotonic() > deadline:
                raise Unusable(
                    f"Port {item.port} cannot be used ({reason}); choose another with "
                    f"{item.option}."
                )
            time.sleep(0.1)


def why_not(wanted: WantedPort) -> str | None:
    """Why a server could not listen there now, None when it could."""
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: a connection that was closed a moment ago does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((wanted.host, wanted.port))
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return None
