"""Settings and routes that documents name are there, and examples of settings are taken."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from query_api.settings import ApiSettings
from schemas.settings import Settings
from streams.settings import WorkerSettings
from tests.test_house import _defaults

_ROOT = Path(__file__).parents[2]
_PAGES = [_ROOT / "README.md", *sorted((_ROOT / "docs").glob("*.md"))]
_ENVIRONMENT = re.compile(r"^```sh\n((?:[A-Z_]+=.*\n)+)```$", re.MULTILINE)
_BLOCKS = [
    (page.name, block)
    for page in _PAGES
    for block in _ENVIRONMENT.findall(page.read_text())
    if "SMS_" in block
]
_ROUTE = re.compile(r"`(GET|PUT|POST|DELETE) (/[^`? ]*)")
_OTHERS = {"SMS_JAVA"}


@pytest.mark.parametrize(
    "block", [block for _, block in _BLOCKS], ids=[page for page, _ in _BLOCKS]
)
def test_settings_of_an_example_are_taken(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = dict(line.split("=", 1) for line in block.splitlines())
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    if not {"SMS_JWT_SECRET", "SMS_JWT_JWKS_URL"} & given.keys():
        monkeypatch.setenv("SMS_JWT_SECRET", "0" * 32)
    taken: dict[str, Any] = {}
    for process in (WorkerSettings, ApiSettings):
        monkeypatch.setitem(process.model_config, "env_file", None)
        settings: Settings = process()
        taken |= {name: getattr(settings, name) for name in settings.model_fields_set}
    ours = {name.removeprefix("SMS_").lower() for name in given if name.startswith("SMS_")}
    assert ours <= taken.keys()


def test_settings_that_are_named_exist() -> None:
    known = {name.strip("`") for name in _defaults()} | _OTHERS
    for page in _PAGES:
        named = set(re.findall(r"`(SMS_[A-Z_0-9]+)`", page.read_text(encoding="utf-8")))
        assert named <= known, page.name


def test_routes_that_are_named_exist(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    known = {
        (method.upper(), re.sub(r"\{\w+\}", "*", path.removeprefix("/api/v1/analytics")))
        for path, methods in document["paths"].items()
        for method in methods
    }
    for page in _PAGES:
        for method, path in _ROUTE.findall(page.read_text(encoding="utf-8")):
            short = re.sub(r"\{\w+\}", "*", path.removeprefix("/api/v1/analytics"))
            assert (method, short) in known, f"{page.name}: {method} {path}"
