"""The data directory of `up`: where everything lies that one machine keeps.

<data-dir>/lock  layout  runtime.json  jwt.secret  privacy.key  clickhouse.password
           kafka/  clickhouse/  logs/
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import Unusable
from deploy.local.locking import AlreadyLockedError, is_locked, locked

_LAYOUT = "1"
"""Rises when a newer version can no longer use what an older one left, or the other way round."""


@dataclass(frozen=True)
class DataDirectory:
    """The places in a data directory; making one touches nothing."""

    path: Path

    @property
    def kafka(self) -> Path:
        """The broker's settings and log."""
        return self.path / "kafka"

    @property
    def clickhouse(self) -> Path:
        """The tables."""
        return self.path / "clickhouse"

    @property
    def backfilled(self) -> Path:
        """Exists once the history of the simulated router is in."""
        return self.path / "backfilled"

    @property
    def is_made(self) -> bool:
        """Whether an `up` has ever run on it."""
        return self._layout.exists()

    @property
    def _layout(self) -> Path:
        return self.path / "layout"

    def log(self, name: str) -> Path:
        """The log file of a process."""
        return self.path / "logs" / f"{name.lower().replace(' ', '-')}.log"

    def jwt_secret(self) -> str:
        """The key of the development tokens; its prefix has production refuse it."""
        return self._secret("jwt.secret", "development-")

    def privacy_key(self) -> str:
        """The key of the hashes of phone numbers."""
        return self._secret("privacy.key")

    def clickhouse_password(self) -> str:
        """What every query to the embedded ClickHouse has to give."""
        return self._secret("clickhouse.password")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the directory for one `up`, making it if it is not there. Raises Unusable."""
        with ExitStack() as stack:
            try:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
                (self.path / "logs").mkdir(exist_ok=True)
                stack.enter_context(locked(self.path / "lock"))
                self._check_layout()
            except AlreadyLockedError as error:
                raise Unusable(
                    f"Another `up` (process {error.pid}) is running on {self.path}."
                ) from None
            except OSError as error:
                raise Unusable(
                    f"The data directory {self.path} cannot be written: {error.strerror}."
                ) from None
            yield

    def is_held(self) -> bool:
        """Whether an `up` is running on it."""
        return is_locked(self.path / "lock")

    def _check_layout(self) -> None:
        found = self._layout.read_text().strip() if self.is_made else ""
        if not found:
            self._layout.write_text(_LAYOUT + "\n")
        elif found != _LAYOUT:
            raise Unusable(
                f"{self.path} was made by an incompatible version (layout {found}, this version "
                f"uses {_LAYOUT}): choose another --data-dir."
            )

    def _secret(self, name: str, prefix: str = "") -> str:
        file = self.path / name
        with suppress(FileExistsError):
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as new:
                new.write(prefix + secrets.token_urlsafe(48))
        return file.read_text().strip()
