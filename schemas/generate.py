"""Writes the machine-readable contracts into `schemas/generated/`.

    python -m schemas.generate            write the files
    python -m schemas.generate --check    exit 1 and name the files that are stale

They are generated from the types in this package and committed, so that routers and tools can
read them without Python.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from schemas.asyncapi import asyncapi
from schemas.json_schema import usage_event

DIRECTORY = Path(__file__).parent / "generated"


def documents() -> dict[str, str]:
    """File name to text of every generated file."""
    event = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:sms-analytics:sms.usage.v1",
        **usage_event(),
    }
    return {
        "sms.usage.v1.schema.json": _text(event),
        "asyncapi.json": _text(asyncapi()),
    }


def stale(directory: Path = DIRECTORY) -> list[str]:
    """The names of files in `directory` that are missing, not ours or differ from `documents`."""
    expected = documents()
    found = {path.name: path.read_text(encoding="utf-8") for path in directory.glob("*")}
    return sorted(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` only compare; returns the exit code."""
    if arguments == ["--check"]:
        names = stale()
        if names:
            sys.stderr.write(f"stale: {', '.join(names)}; run `python -m schemas.generate`\n")
        return 1 if names else 0
    if arguments:
        sys.stderr.write(__doc__ or "")
        return 2
    for name, text in documents().items():
        (DIRECTORY / name).write_text(text, encoding="utf-8")
    return 0


def _text(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
