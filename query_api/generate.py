"""Writes `docs/api.md`: the prose of `api_guide.md`, and what the OpenAPI document says.

python -m query_api.generate            write the file
python -m query_api.generate --check    exit 1 if it is stale
"""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

from query_api.app import create_app
from query_api.reference import objects, routes
from query_api.settings import ApiSettings

PATH = Path(__file__).parent.parent / "docs" / "api.md"


def text() -> str:
    """The document as it should be."""
    # Nothing is asked of what is not there: the app is only looked at.
    settings = ApiSettings(_env_file=None, jwt_secret="0" * 32)
    document = create_app(settings).openapi()
    guide = files("query_api").joinpath("api_guide.md").read_text(encoding="utf-8")
    return guide.replace("<!-- routes -->", routes(document)).replace(
        "<!-- objects -->", objects(document)
    )


def main(arguments: list[str]) -> int:
    """Write the file, or with `--check` only compare; returns the exit code."""
    if arguments == ["--check"]:
        is_stale = not PATH.exists() or PATH.read_text(encoding="utf-8") != text()
        if is_stale:
            sys.stderr.write("docs/api.md is stale; run `python -m query_api.generate`\n")
        return int(is_stale)
    if arguments:
        sys.stderr.write(__doc__ or "")
        return 2
    PATH.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
