"""Which numbers an API may answer, by its OpenAPI document, and which of them were compared.

A field is named by its path: `GET /me/sms-costs cost_trends.points[].cost_micros`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_NUMBERS = {"integer", "number"}


def numeric_fields(document: Mapping[str, Any]) -> set[str]:
    """Every number of every good JSON answer of every operation."""
    schemas = document["components"]["schemas"]
    return {
        f"{method.upper()} {path} {field}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for status, response in operation["responses"].items()
        if status.startswith("2") and "application/json" in response.get("content", {})
        for field in _numbers(response["content"]["application/json"]["schema"], "", schemas)
    }


def _numbers(schema: Mapping[str, Any], path: str, schemas: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        yield from _numbers(schemas[schema["$ref"].rpartition("/")[2]], path, schemas)
    if schema.get("type") in _NUMBERS:
        yield path
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from _numbers(choice, path, schemas)
    if "items" in schema:
        yield from _numbers(schema["items"], f"{path}[]", schemas)
    for name, field in schema.get("properties", {}).items():
        yield from _numbers(field, f"{path}.{name}" if path else name, schemas)
    if isinstance(rest := schema.get("additionalProperties"), Mapping):
        yield from _numbers(rest, f"{path}.*" if path else "*", schemas)


def numbers_of(expected: Any, path: str = "") -> set[str]:
    """The fields that an expected answer has a number for: those that `differences` compares."""
    if isinstance(expected, Mapping):
        return {
            field
            for name, value in expected.items()
            for field in numbers_of(value, f"{path}.{name}" if path else name)
        }
    if isinstance(expected, list):
        return {field for value in expected for field in numbers_of(value, f"{path}[]")}
    is_number = isinstance(expected, int | float) and not isinstance(expected, bool)
    return {path} if is_number else set()
