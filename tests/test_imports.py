"""Who may import whom, read from the source of every module.

schemas <- streams/core <- streams; schemas <- query_api; streams and query_api never meet; deploy
may import all three; the oracle computes its answers from the ledger with nothing of ours.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_OURS = {"schemas", "streams", "query_api", "deploy", "tests", "bench"}

# The longest prefix of a module's path decides; each may also import itself.
_MAY_IMPORT = {
    "schemas": set[str](),
    "streams/core": {"schemas"},
    "streams": {"schemas"},
    "query_api": {"schemas"},
    "deploy": {"schemas", "streams", "query_api"},
    "tests/oracle": set[str](),
}
_FOREIGN_OF_CORE = {"msgspec"}
# The design allows the core msgspec alone. These modules work on whole batches at once and need
# arrays; like msgspec they compute and do no I/O. A new module of the core has to be added here.
_ARRAYS = {
    **{
        f"streams/core/{name}.py": {"numpy"}
        for name in (
            "cells",
            "clock",
            "columns",
            "counts",
            "decode",
            "erasure",
            "events",
            "fold",
            "history",
            "message",
            "pricing",
            "receipts",
            "recent",
            "repricing",
            "savings",
            "scan",
            "shapes",
            "warming",
        )
    },
    "streams/core/seen.py": {"numpy", "xxhash"},
    "streams/core/compiled/compiling.py": {"numba"},
    "streams/core/compiled/events.py": {"numpy"},
    "streams/core/compiled/groups.py": {"numpy"},
    "streams/core/compiled/shapes.py": {"numpy"},
}


def _folder(path: Path) -> str:
    """The rule that a file falls under, such as `streams/core`."""
    name = path.relative_to(_ROOT).as_posix()
    return max((folder for folder in _MAY_IMPORT if name.startswith(folder + "/")), key=len)


def _imports(source: str) -> Iterator[str]:
    """Every module that a source text imports, at any depth."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def _is_within(module: str, folder: str) -> bool:
    dotted = folder.replace("/", ".")
    return module == dotted or module.startswith(dotted + ".")


def _fault(folder: str, module: str) -> str | None:
    """Why a file of `folder` may not import `module`; None if it may."""
    top = module.partition(".")[0]
    if module.startswith("."):
        return "relative imports hide the direction"
    if top in _OURS:
        allowed = _MAY_IMPORT[folder] | {folder}
        return None if any(_is_within(module, other) for other in allowed) else "wrong direction"
    if folder == "streams/core" and top not in sys.stdlib_module_names | _FOREIGN_OF_CORE:
        return "the core takes the standard library and msgspec only"
    return None


_FILES = sorted(
    path for folder in _MAY_IMPORT for path in (_ROOT / folder).rglob("*.py") if path.is_file()
)


@pytest.mark.parametrize("path", dict.fromkeys(_FILES), ids=lambda p: str(p.relative_to(_ROOT)))
def test_imports_follow_the_flow(path: Path) -> None:
    folder = _folder(path)
    arrays = _ARRAYS.get(path.relative_to(_ROOT).as_posix(), set())
    modules = [
        module
        for module in _imports(path.read_text(encoding="utf-8"))
        if module.partition(".")[0] not in arrays
    ]
    faults = {module: fault for module in modules if (fault := _fault(folder, module))}
    assert faults == {}


@pytest.mark.parametrize(
    ("folder", "module", "is_allowed"),
    [
        ("schemas", "schemas.units", True),
        ("schemas", "streams.core.fold", False),
        ("schemas", "pydantic", True),
        ("streams/core", "schemas.rows", True),
        ("streams/core", "streams.core.decode", True),
        ("streams/core", "streams.worker", False),
        ("streams/core", "collections.abc", True),
        ("streams/core", "msgspec", True),
        ("streams/core", "numpy", False),
        ("streams/core", ".decode", False),
        ("streams", "streams.core.fold", True),
        ("streams", "query_api.app", False),
        ("query_api", "streams", False),
        ("query_api", "deploy.cli", False),
        ("deploy", "streams.worker", True),
        ("deploy", "tests.examples", False),
        ("tests/oracle", "schemas", False),
        ("tests/oracle", "tests.examples", False),
        ("tests/oracle", "decimal", True),
    ],
)
def test_the_rules_tell_right_from_wrong(folder: str, module: str, is_allowed: bool) -> None:
    assert (_fault(folder, module) is None) is is_allowed


def test_exceptions_are_still_needed() -> None:
    for name, arrays in _ARRAYS.items():
        modules = _imports((_ROOT / name).read_text(encoding="utf-8"))
        assert arrays <= {module.partition(".")[0] for module in modules}


def test_imports_are_found_at_any_depth() -> None:
    source = "def f():\n    import a.b\n    from c.d import e\n    from . import g\n"
    assert list(_imports(source)) == ["a.b", "c.d", "."]
