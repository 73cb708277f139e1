"""Reads the golden examples of `schemas/examples` as the records that they describe."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

_USAGE = Path(__file__).parent.parent / "schemas" / "examples" / "usage"
_MEMBERS = {"about", "key", "timestamp", "pad_to"}


@dataclass(frozen=True)
class Example:
    """One record of the usage topic, and what must come of it (`reason` None: accepted)."""

    name: str
    key: bytes | None
    timestamp_ms: int
    value: bytes
    occurred_at_ms: int | None
    reason: str | None
    detail: str


def _value(example: dict[str, object]) -> bytes:
    match example:
        case {"text": str(text)}:
            value = text.encode()
        case {"base64": str(text)}:
            value = base64.b64decode(text, validate=True)
        case _:
            value = json.dumps(example["value"], ensure_ascii=False).encode()
    return value.ljust(int(str(example.get("pad_to", 0))))


def _read(path: Path) -> Example:
    example = json.loads(path.read_text(encoding="utf-8"))
    own = {"reason", "detail"} if path.parent.name == "bad" else {"occurred_at_ms"}
    assert len({"value", "text", "base64"} & set(example)) == 1, path
    assert set(example) <= _MEMBERS | own | {"value", "text", "base64"}, path
    assert example["about"], path
    key = example["key"]
    return Example(
        name=path.stem,
        key=None if key is None else key.encode(),
        timestamp_ms=round(datetime.fromisoformat(example["timestamp"]).timestamp() * 1000),
        value=_value(example),
        occurred_at_ms=example.get("occurred_at_ms"),
        reason=example["reason"] if path.parent.name == "bad" else None,
        detail=example.get("detail", ""),
    )


def usage(kind: str) -> list[Example]:
    """The examples of one kind, `good` or `bad`, by name."""
    return [_read(path) for path in sorted((_USAGE / kind).glob("*.json"))]


GOOD = usage("good")
BAD = usage("bad")


def each(examples: list[Example]) -> pytest.MarkDecorator:
    """Runs a test once for each example, passed as `example`."""
    return pytest.mark.parametrize("example", examples, ids=lambda example: example.name)
