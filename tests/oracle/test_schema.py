"""Numbers are found wherever a schema may hide them."""

from __future__ import annotations

from typing import Any

from tests.oracle.schema import numbers_of, numeric_fields

_NUMBER, _TEXT = {"type": "number"}, {"type": "string"}


def _document(schema: dict[str, Any], status: str = "200") -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    operation = {"responses": {status: {"content": content}, "404": {"content": content}}}
    schemas = {"Point": {"properties": {"cost": _NUMBER, "start": _TEXT}}}
    return {"paths": {"/a": {"get": operation}}, "components": {"schemas": schemas}}


def test_numbers_of_a_schema() -> None:
    schema = {
        "properties": {
            "n": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "text": _TEXT,
            "points": {"items": {"$ref": "#/components/schemas/Point"}},
            "by_key": {"additionalProperties": {"type": "integer"}},
        }
    }
    expected = {"GET /a n", "GET /a points[].cost", "GET /a by_key.*"}
    assert numeric_fields(_document(schema)) == expected
    assert numeric_fields(_document(schema, "202")) == expected
    assert numeric_fields(_document(schema, "304")) == set()


def test_only_numbers_that_are_there_are_compared() -> None:
    expected = {"n": 1, "none": None, "is": True, "points": [{"cost": None}, {"cost": 0.5}]}
    assert numbers_of(expected) == {"n", "points[].cost"}
