"""The OpenAPI document: what FastAPI derives from the routes, plus errors and examples."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from schemas.api.health import Unreadiness
from schemas.api.privacy import ConsentDecision
from schemas.api.problems import Problem

_MODELS: dict[type[BaseModel], JsonSchemaMode] = {
    Problem: "serialization",
    Unreadiness: "serialization",
    ConsentDecision: "validation",
}
"""What FastAPI does not find by itself: it would document errors as application/json, which none
is, and bodies are read by ourselves (`bodies.py`)."""
_REFERENCE = "#/components/schemas/{model}"
_DESCRIPTION = """\
Answers are computed from exact rollups: `data_as_of` says up to when. Every error is a problem
document (RFC 9457). `X-Request-ID` is taken over if you send one (1 to 64 letters, digits,
dots, dashes or underscores) and is in every answer.
"""


def document(app: FastAPI) -> dict[str, Any]:
    """The document, made once and kept by the app."""
    if not app.openapi_schema:
        app.openapi_schema = _document(app)
    return app.openapi_schema


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=_DESCRIPTION,
        routes=app.routes,
    )
    schemas = made["components"]["schemas"]
    for model, mode in _MODELS.items():
        schema = model.model_json_schema(mode=mode, ref_template=_REFERENCE)
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for path in made["paths"].values():
        for operation in path.values():
            answers = operation["responses"]
            # Set here because FastAPI takes every null out of examples that it is given.
            for status in answers:
                if status.startswith("2"):
                    _add_examples(operation["operationId"], answers[status].get("content", {}))
    return made


def _add_examples(operation: str, content: dict[str, Any]) -> None:
    """A good answer: `schemas/api/examples/<operation>.json` or `.csv`, where there is one."""
    for media_type, ending in (("application/json", "json"), ("text/csv", "csv")):
        file = files("schemas.api").joinpath("examples", f"{operation}.{ending}")
        if media_type in content and file.is_file():
            text = file.read_text(encoding="utf-8")
            content[media_type]["example"] = json.loads(text) if ending == "json" else text
