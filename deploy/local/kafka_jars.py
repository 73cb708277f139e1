"""Apache Kafka's jars from Maven Central, by jgo's resolver, kept in the user's cache.

jgo's own environments are not used: they fetch a whole JDK to sort jars from modules, and a
broker wants all of them on its class path.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.errors import Unusable
from deploy.local.locking import locked

KAFKA_VERSION = "4.4.0"
_BROKER = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
# Kafka writes its log through SLF4J; this is the bridge that its own distribution adds to the
# jars, in the version of its log4j-core.
_LOG_BRIDGE = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5"
_TOTAL_MB = 45

Report = Callable[[str], None]
"""Takes a line on how far the work has come."""


def kafka_jars(report: Report) -> list[Path]:
    """The jars of the broker, downloaded when they are not in the cache (about 45 MB, once).

    Raises Unusable when they can be had neither here nor there.
    """
    cache = _cache_directory()
    complete = cache / f"kafka-{KAFKA_VERSION}"
    if not complete.exists():
        cache.mkdir(parents=True, exist_ok=True)
        # Two first starts at once: the second waits and finds the work done.
        with locked(cache / "download.lock", wait=True):
            if not complete.exists():
                _download(cache / "partial", complete, report)
    return sorted(complete.rglob("*.jar"))


def _download(partial: Path, complete: Path, report: Report) -> None:
    """Fill `partial` and rename it, so that what carries the final name is whole."""
    shutil.rmtree(partial, ignore_errors=True)
    try:
        jars = _resolve(partial, report)
    except (RuntimeError, OSError) as error:
        raise Unusable(
            f"Apache Kafka {KAFKA_VERSION} could not be downloaded from Maven Central: "
            f"{_reason(error)}. The first start needs the network once."
        ) from None
    for jar in jars:
        if not zipfile.is_zipfile(jar):
            raise Unusable(f"{jar.name} arrived damaged from Maven Central; start again.")
    partial.replace(complete)


def _resolve(repository: Path, report: Report) -> list[Path]:
    from jgo.maven import MavenContext, PythonResolver

    progress = _Progress(report)
    context = MavenContext(
        resolver=PythonResolver(progress_callback=progress.file), repo_cache=repository
    )
    report(f"Looking up Apache Kafka {KAFKA_VERSION} in Maven Central")
    direct, transitive = context.resolver.resolve([context.create_dependency(_BROKER)])
    needed = [item for item in transitive if item.scope in ("compile", "runtime")]
    # Resolved together with the broker it would bring its own parent's choice of versions along.
    bridge = context.create_dependency(_LOG_BRIDGE)
    return [item.artifact.resolve() for item in (*direct, *needed, bridge)]


class _Progress:
    """Reports every tenth of the download; jgo calls `file` for each one that it fetches."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._bytes = 0

    @contextmanager
    def file(self, name: str, size: int) -> Iterator[Callable[[int], None]]:
        yield self._advance

    def _advance(self, count: int) -> None:
        step = _TOTAL_MB * 100_000
        if self._bytes // step != (self._bytes + count) // step:
            megabytes = (self._bytes + count) / 1e6
            self._report(f"Downloading Apache Kafka: {megabytes:.0f} of about {_TOTAL_MB} MB")
        self._bytes += count


def _cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sms-analytics"


def _reason(error: BaseException) -> str:
    """The innermost cause: what the network library wraps around it says little."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return str(error).strip().rstrip(".") or type(error).__name__
