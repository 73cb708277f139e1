"""A worker that kills itself once, at a named point of an erasure.

`python -m tests.streams.dying FILE`: the file holds the point, `before WHAT` or `after WHAT` of
what the erasure does to ClickHouse, and is removed when the point is reached.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streams import worker
from streams.patience import PatientClient


def main() -> int:
    """Run the worker as `streams.worker` does."""
    _add_points(Path(sys.argv[1]))
    return worker.main()


def _add_points(file: Path) -> None:
    original = PatientClient.run

    def point(name: str) -> None:
        if file.exists() and file.read_text() == name:
            file.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def trying(self: Any, what: str, action: Callable[..., Any], gone: threading.Event) -> Any:
        point(f"before {what}")
        result = original(self, what, action, gone)
        point(f"after {what}")
        return result

    PatientClient.run = trying  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(main())
