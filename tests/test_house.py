"""What README says is so: its settings, its commands, its targets; and files stay small."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic.fields import FieldInfo
from typer.main import get_command

from deploy.cli import app
from query_api.settings import ApiSettings
from schemas.settings import Settings
from streams.settings import PriceSettings, WorkerSettings

_ROOT = Path(__file__).parent.parent
_README = (_ROOT / "README.md").read_text(encoding="utf-8")
_MAKEFILE = (_ROOT / "Makefile").read_text(encoding="utf-8")

_LARGEST = 500
_SOURCES = {".py", ".sql", ".md", ".yml", ".yaml", ".sh", ".ts", ".tsx"}
_FOLDERS = ("schemas", "streams", "query_api", "deploy", "tests", "bench", "docs", "web")


def _section(title: str) -> str:
    match = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", _README, re.DOTALL | re.MULTILINE)
    assert match, f"README has no section {title}"
    return match[1]


def _table(section: str) -> list[list[str]]:
    """The cells of every table row of a section, without header and rule."""
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "none" if value in (None, {}) else f"`{value}`"


def _defaults() -> dict[str, str]:
    found: dict[str, str] = {}
    for process in (Settings, WorkerSettings, PriceSettings, ApiSettings):
        for name, field in process.model_fields.items():
            default = _default(field)
            # A setting that two processes read means the same in both.
            assert found.setdefault(f"`SMS_{name.upper()}`", default) == default, name
    return found


def test_settings_are_documented_with_their_defaults() -> None:
    documented = {row[0]: row[1] for row in _table(_section("Settings"))}
    assert documented == _defaults()


def test_every_setting_has_a_meaning() -> None:
    assert all(len(row) == 3 and row[2] for row in _table(_section("Settings")))


def _commands(group: Any, path: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path}{name} ")
        else:
            yield path + name


def test_commands_are_documented() -> None:
    documented = [row[0].strip("`") for row in _table(_section("Command line"))]
    assert sorted(documented) == sorted(_commands(get_command(app)))


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_two_commands_are_targets(target: str) -> None:
    assert f"make {target}" in _README
    assert re.search(rf"^{target}:", _MAKEFILE, re.MULTILINE)


def test_every_target_that_readme_names_exists() -> None:
    for target in re.findall(r"`make ([a-z-]+)", _README):
        assert re.search(rf"^{target}:", _MAKEFILE, re.MULTILINE), target


def test_ci_runs_what_readme_says() -> None:
    script = (_ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert "make test" in script


def test_links_lead_somewhere() -> None:
    for page in [_ROOT / "README.md", *(_ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def _sources() -> list[Path]:
    found = [path for path in _ROOT.iterdir() if path.suffix in _SOURCES]
    for folder in _FOLDERS:
        for path in (_ROOT / folder).rglob("*"):
            if path.suffix in _SOURCES and "node_modules" not in path.parts:
                found.append(path)
    return found


def test_no_file_is_long() -> None:
    long = {}
    # The API's reference is generated, and as long as the API is wide.
    for path in set(_sources()) - {_ROOT / "docs" / "api.md"}:
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > _LARGEST:
            long[str(path.relative_to(_ROOT))] = lines
    assert long == {}
