"""Environments that the engines need and the product does not: made when they are first asked for.

They lie in the user's cache, one for each set of pinned requirements, and can be thrown away.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from bench.engines.engine import PROGRAMS

JAVA_SOURCES = Path(__file__).with_name("java")


class NotAvailableError(RuntimeError):
    """An engine cannot be run here; the text says why."""


@cache
def python(engine: str) -> str:
    """The Python of an engine's own virtual environment, with its pinned packages."""
    requirements = PROGRAMS / f"requirements-{engine}.txt"
    text = requirements.read_bytes() + sys.version.encode()
    directory = _cache() / f"{engine}-{hashlib.sha256(text).hexdigest()[:12]}"
    program = directory / "bin" / "python"
    if not (directory / "complete").exists():
        shutil.rmtree(directory, ignore_errors=True)
        print(f"making {engine}'s environment")
        _run(sys.executable, "-m", "venv", str(directory))
        _run(str(program), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(requirements))
        (directory / "complete").touch()
    return str(program)


@cache
def class_path(module: str) -> str:
    """The class path of a Maven module of `java/`, built if it is not."""
    target = _java_build() / module / "target"
    return f"{target}/*:{target}/lib/*"


@cache
def java() -> str:
    """The java program that Maven compiles for, or the one that SMS_JAVA names."""
    found = os.environ.get("SMS_JAVA") or shutil.which("java")
    if not found:
        raise NotAvailableError("no java program was found")
    return found


@cache
def _java_build() -> Path:
    if shutil.which("mvn") is None:
        raise NotAvailableError("Maven (mvn) was not found")
    print("building the Java engines")
    _run("mvn", "-q", "-B", "-f", str(JAVA_SOURCES / "pom.xml"), "package")
    return JAVA_SOURCES


def _cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    directory = base / "sms-analytics" / "bench"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _run(*command: str) -> None:
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        lines = [line for line in (run.stdout + run.stderr).splitlines() if line.strip()]
        raise NotAvailableError(f"{command[0]} failed: {' / '.join(lines[-3:])}")


def versions() -> list[str]:
    """Versions of the engines and of the Java that runs two of them."""
    pom = (JAVA_SOURCES / "pom.xml").read_text(encoding="utf-8")
    found = [
        f"{name} {match[1]}"
        for name, property_ in (("Kafka Streams", "kafka"), ("Flink", "flink"))
        if (match := re.search(rf"<{property_}.version>(.+?)<", pom))
    ]
    for name, package in (("quix", "quixstreams"), ("bytewax", "bytewax")):
        pins = (PROGRAMS / f"requirements-{name}.txt").read_text(encoding="utf-8")
        found += [f"{package} {pin}" for pin in re.findall(rf"^{package}==(.+)$", pins, re.M)]
    with suppress(OSError, NotAvailableError):
        run = subprocess.run([java(), "-version"], capture_output=True, text=True)
        found += [f"Java {number}" for number in re.findall(r'version "([^"]+)"', run.stderr)[:1]]
    return found
