"""Every example of the documents is run as it stands, and answers what is shown.

With `SMS_TEST_WRITE_EXAMPLES=1` the answers become `schemas/api/examples`, from which the OpenAPI
document and `docs/api.md` take theirs; `python -m query_api.generate` writes the latter.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema.validators import validator_for

from deploy.topics import create_missing_topics
from query_api import generate
from query_api.reference import compact
from query_api.routes import me
from schemas.topics import topics
from tests.conftest import Databases
from tests.docs.documents import VOLATILE, Example, examples, sums, unlike
from tests.docs.service import ADDRESS, Service, service
from tests.query_api.conftest import Bearer

_ROOT = Path(__file__).parents[2]
_PAGES = ("README.md", "docs/numbers.md", "docs/security.md", "docs/api.md")
_STORED = _ROOT / "schemas" / "api" / "examples"
_IS_WRITING = os.environ.get("SMS_TEST_WRITE_EXAMPLES") == "1"
_ALL = [example for page in _PAGES for example in examples(_ROOT / page)]
_MAKE_TOKENS = """\
TOKEN=$(.venv/bin/sms-analytics token --user-id 1)
ADMIN=$(.venv/bin/sms-analytics token --user-id 2 --admin)
"""
_STORED_ROWS = 5
"""So many rows of a file are an example; that all of them are right is for the oracle."""
_PLACEHOLDER = "5f0c8f4e9a7b4f0e8d5f3c2b1a098765"


@dataclass(frozen=True)
class Shell:
    """Runs commands of documents where the project seems to be, with the tokens that api.md makes.

    `operations` are the routes: method, pattern of the path, name.
    """

    running: Service
    tokens: dict[str, str]
    operations: list[tuple[str, str, str]]

    def run(self, commands: str) -> str:
        """What the commands print."""
        settings = {n: value for n, value in os.environ.items() if not n.startswith("SMS_")}
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands.replace(ADDRESS, self.running.address)],
            cwd=self.running.directory,
            capture_output=True,
            text=True,
            timeout=120,
            env=settings | self.tokens,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def operation(self, commands: str) -> str:
        """Which operation a command asks."""
        found = re.search(rf"{ADDRESS}(/[^?'\"#]*)", commands)
        assert found, commands
        method = re.search(r"-X (\w+)", commands)
        wanted = (method[1] if method else "GET").lower()
        (name,) = [
            name
            for verb, pattern, name in self.operations
            if verb == wanted and re.fullmatch(pattern, found[1])
        ]
        return name


@pytest.fixture(scope="module")
def shell(
    kafka: str, _databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shell]:
    create_missing_topics(kafka, topics())
    with (
        _databases.lend() as database,
        service(database, kafka, tmp_path_factory.mktemp("documents")) as running,
    ):
        bare = Shell(running, {}, [])
        printed = bare.run(_MAKE_TOKENS + 'echo "$TOKEN $ADMIN"').split()
        document = json.loads(bare.run(f"curl -s http://{ADDRESS}/openapi.json"))
        operations = [
            (method, re.sub(r"\{\w+\}", "[^/]+", path), operation["operationId"])
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]
        yield Shell(running, dict(zip(("TOKEN", "ADMIN"), printed, strict=True)), operations)


@pytest.mark.live
@pytest.mark.parametrize("example", _ALL, ids=lambda example: example.place)
def test_an_example(example: Example, shell: Shell) -> None:
    printed = shell.run(example.commands)
    if example.is_of_a_route:
        _check_stored(shell.operation(example.commands), printed)
    if example.is_of_a_route and _IS_WRITING:
        return
    if example.kind == "json":
        assert unlike(_without_chance(json.loads(printed)), json.loads(example.shown)) == []
    elif example.kind == "text":
        assert printed.split() == example.shown.split()


def _check_stored(operation: str, printed: str) -> None:
    """What is printed is the stored answer of an operation; it is stored when writing."""
    if not printed.startswith("{"):
        file, printed = _STORED / f"{operation}.csv", printed.replace("\r\n", "\n")
        if _IS_WRITING:
            file.write_text(printed, encoding="utf-8")
        assert file.read_text(encoding="utf-8") == printed
        return
    file, answer = _STORED / f"{operation}.json", _without_chance(json.loads(printed))
    if _IS_WRITING:
        file.write_text(compact(answer) + "\n", encoding="utf-8")
    assert json.loads(file.read_text(encoding="utf-8")) == answer


def _without_chance(answer: Any) -> Any:
    """The answer with what is another one each time or on each machine made the same."""
    if isinstance(answer, list):
        return [_without_chance(item) for item in answer]
    if not isinstance(answer, dict):
        return answer
    fixed = dict.fromkeys(VOLATILE & answer.keys(), _PLACEHOLDER)
    tables = {name: answer[name][:_STORED_ROWS] for name in ("rows", "totals") if name in answer}
    answer = answer | tables
    if "system_health" in answer:
        answer = answer | {"system_health": _healthy(answer["system_health"])}
    return {name: _without_chance(value) for name, value in answer.items()} | fixed


def _healthy(health: Any) -> Any:
    """Only that part whose numbers are those of the data."""
    return health | {"components": [c for c in health["components"] if c["name"] == "lag"]}


def test_the_document_is_fresh() -> None:
    assert generate.main(["--check"]) == 0, "run `python -m query_api.generate`"


def test_the_command_line_of_the_generator() -> None:
    assert generate.main(["--unknown"]) == 2


def test_every_route_has_an_example() -> None:
    text = (_ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    routes = text.partition("## Routes")[2].partition("## Objects")[0].split("### ")[1:]
    without = [r.splitlines()[0] for r in routes if "```sh" not in r]
    assert without == ["Would answers be current?", "Prometheus metrics"]
    assert sum(example.is_of_a_route for example in _ALL) == len(routes) - len(without)


def test_api_md_says_how_to_get_the_tokens_of_its_examples() -> None:
    assert _MAKE_TOKENS in (_ROOT / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", _PAGES)
def test_sums_that_are_worked_out(page: str) -> None:
    for text, found, said in sums(_ROOT / page):
        assert found == pytest.approx(said, rel=1e-9), text


def test_there_are_sums() -> None:
    assert len(sums(_ROOT / "docs" / "numbers.md")) >= 5


def test_the_database_away_is_what_is_shown(client: TestClient, bearer: Bearer) -> None:
    text = (_ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"503, while the database is away:\n\n```json\n(.*?)```", text, re.DOTALL)
    answer = client.get("/api/v1/analytics/me/sms-analytics", headers=bearer())
    assert unlike(answer.json(), json.loads(shown)) == []


def test_a_fault_of_the_api_is_what_is_shown(
    client: TestClient, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (_ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"500, whose cause .*?```json\n(.*?)```", text, re.DOTALL)
    monkeypatch.setattr(me, "search_of", None)
    answer = client.get("/api/v1/analytics/me/messages", headers=bearer())
    assert unlike(answer.json(), json.loads(shown)) == []


def test_the_event_of_readme_is_valid() -> None:
    text = (_ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"its key the user's id:\n\n```json\n(.*?)```", text, re.DOTALL)
    schema = json.loads((_ROOT / "schemas/generated/sms.usage.v1.schema.json").read_text())
    validator_for(schema)(schema).validate(json.loads(shown))
