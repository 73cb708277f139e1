"""The OpenAPI document: complete, consistent, and its examples are true."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from query_api.access import PUBLIC_PATHS

Document = dict[str, Any]
_STORED = Path(__file__).parents[2] / "schemas" / "api" / "examples"


@pytest.fixture
def document(client: TestClient) -> Document:
    found: Document = client.get("/openapi.json").json()
    return found


def _operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path, item in document["paths"].items():
        for operation in item.values():
            yield path, operation


def _media(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, operation in _operations(document):
        for status, response in operation["responses"].items():
            for media_type, content in response.get("content", {}).items():
                yield f"{path} {status}", media_type, content


def test_every_error_is_documented_as_a_problem(document: Document) -> None:
    for path, operation in _operations(document):
        has_body = "requestBody" in operation
        good = {"200", "202", "304"}
        errors = {s: r for s, r in operation["responses"].items() if s not in good}
        everywhere = {"413", "414", "429", "500"}
        if path in PUBLIC_PATHS:
            assert set(errors) - {"503"} == everywhere
        else:
            with_token = everywhere | {"401", "403", "422", "503"}
            assert set(errors) - {"404"} == with_token | ({"415"} if has_body else set())
        for response in errors.values():
            assert list(response["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_route_but_the_public_ones_needs_a_token(document: Document) -> None:
    for path, operation in _operations(document):
        assert bool(operation.get("security")) is (path not in PUBLIC_PATHS)
    assert document["components"]["securitySchemes"]["bearer"]["bearerFormat"] == "JWT"


def test_every_reference_leads_somewhere(document: Document) -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (node["$ref"],) if isinstance(node.get("$ref"), str) else ()
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    names = {reference.rpartition("/")[2] for reference in references(document)}
    assert names == set(document["components"]["schemas"])


def test_every_example_fits_its_schema(document: Document) -> None:
    registry: Registry[Any] = Registry().with_resource(
        "urn:openapi", Resource(document, DRAFT202012)
    )
    seen = 0
    for name, _, content in _media(document):
        if "example" not in content:
            continue
        schema = content["schema"]
        if "$ref" in schema:
            schema = {"$ref": "urn:openapi" + schema["$ref"]}
        faults = list(
            Draft202012Validator(schema, registry=registry).iter_errors(content["example"])
        )
        assert not faults, (name, faults[0])
        seen += 1
    errors = sum(
        len(operation["responses"].keys() - {"200", "202", "304"})
        - ("503" in operation["responses"] and path in PUBLIC_PATHS)
        for path, operation in _operations(document)
    )
    assert seen == len(list(_STORED.iterdir())) + errors


def test_operations_have_short_unique_names_and_texts(document: Document) -> None:
    operations = [operation for _, operation in _operations(document)]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert "my_sms_analytics" in names
    assert all(operation["summary"] and operation["description"] for operation in operations)
    for operation in operations:
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (operation["operationId"], parameter["name"])
