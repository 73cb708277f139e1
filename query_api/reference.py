"""The OpenAPI document as Markdown: routes with parameters and examples, and their objects. Pure.

`query_api.generate` puts it between the prose of `api_guide.md`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]

BASE = "http://127.0.0.1:8000"
ANYTHING = "…"
_WIDTH, _SHOWN_ITEMS = 96, 2
# How each operation is asked in its example: what follows its path, and options of curl.
_DAYS = "start=2026-10-26T00:00:00Z&end=2026-11-03T00:00:00Z"
_ASKED: dict[str, str] = {
    "my_sms_analytics": f"?{_DAYS}&timezone=Europe/Berlin",
    "my_sms_costs": f"?{_DAYS}",
    "my_messages": "?status=failed&limit=2",
    "system_sms_analytics": f"?{_DAYS}&order_by=cost_usd&limit=3",
    "user_sms_analytics": f"?{_DAYS}",
    "user_sms_costs": f"?{_DAYS}",
    "system_sms_performance": "?window=6h&timezone=Asia/Kathmandu",
    "audit_log": "?actor_id=1&decision=refused&limit=1",
    "known_users": "?limit=2",
    "my_sms_usage_report": "?start=2026-11-02T00:00:00Z&end=2026-11-03T00:00:00Z",
    "system_sms_usage_report": "?start=2026-11-02T00:00:00Z&end=2026-11-03T00:00:00Z&format=json",
    "cost_export": "?start=2026-11-02T00:00:00Z&end=2026-11-03T00:00:00Z&format=json",
}
_OPTIONS = {
    "decide_my_consent": "-X PUT -H 'Content-Type: application/json' -d '{\"analytics\": true}'",
}
_VALUES = {"user_id": "2", "message_sid": "SM00000000000000000000000000000545"}
_NOT_SHOWN = frozenset({"readyz", "metrics"})
"""Operations whose answers are other ones on each machine."""


def routes(document: Document) -> str:
    """A section for each operation."""
    return "\n\n".join(
        "\n".join(_route(method, path, operation))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    )


def _route(method: str, path: str, operation: Document) -> Iterator[str]:
    yield f"### {operation['summary']}"
    yield ""
    yield f"`{method.upper()} {path}`"
    if "/admin/" in path:
        yield "(role `admin`)"
    yield ""
    yield " ".join(operation["description"].split())
    if parameters := operation.get("parameters"):
        yield ""
        yield "| parameter | type | default | meaning |"
        yield "|---|---|---|---|"
        yield from (_parameter(parameter) for parameter in parameters)
    if name := _body(operation):
        yield ""
        yield f"The body is a [{name}](#{name.lower()})."
    if name := _answer(operation):
        yield ""
        yield f"The answer is a [{name}](#{name.lower()})."
    if operation["operationId"] not in _NOT_SHOWN:
        yield ""
        yield from _example(method, path, operation)


def _parameter(parameter: Document) -> str:
    schema = parameter["schema"]
    default = "required" if parameter.get("required") else _default(schema)
    meaning = _one_line(parameter.get("description", ""))
    return f"| `{parameter['name']}` | {_type(schema)} | {default} | {meaning} |"


def _default(schema: Document) -> str:
    value = schema.get("default")
    return "" if value is None else f"`{json.dumps(value).strip(chr(34))}`"


def _content(response: Document) -> Document:
    found: Document = response.get("content", {}).get("application/json", {})
    return found


def _answer(operation: Document) -> str:
    """The name of the object that a good answer is; empty for files."""
    good = next(r for status, r in operation["responses"].items() if status.startswith("2"))
    return str(_content(good).get("schema", {}).get("$ref", "")).rpartition("/")[2]


def _body(operation: Document) -> str:
    schema = _content(operation.get("requestBody", {})).get("schema", {})
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _example(method: str, path: str, operation: Document) -> Iterator[str]:
    name = operation["operationId"]
    for key, value in _VALUES.items():
        path = path.replace(f"{{{key}}}", value)
    options = _OPTIONS.get(name) or ("" if method == "get" else f"-X {method.upper()}")
    token = "$ADMIN" if "/admin/" in path else "$TOKEN"
    yield "```sh"
    login = f' -H "Authorization: Bearer {token}"' if operation.get("security") else ""
    yield f"curl -s{login}{' ' + options if options else ''} \\"
    yield f"  '{BASE}{path}{_ASKED.get(name, '')}'"
    yield "```"
    answers = operation["responses"]
    good = next(response for status, response in answers.items() if status.startswith("2"))
    if table := good.get("content", {}).get("text/csv", {}).get("example"):
        yield from ("", "```text", *table.splitlines(), "```")
    elif example := _content(good).get("example"):
        yield from ("", "```json", compact(shortened(example)), "```")


def objects(document: Document) -> str:
    """A table for each object, by name."""
    schemas = document["components"]["schemas"]
    return "\n\n".join(
        "\n".join(_object(name, schemas[name]))
        for name in sorted(schemas)
        if "properties" in schemas[name]
    )


def _object(name: str, schema: Document) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    if text := schema.get("description"):
        yield " ".join(text.split())
        yield ""
    yield "| field | type | meaning |"
    yield "|---|---|---|"
    for field, inner in schema["properties"].items():
        yield f"| `{field}` | {_type(inner)} | {_one_line(inner.get('description', ''))} |"


def _type(schema: Document) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(inner) for inner in schema["anyOf"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    name = schema.get("format") or schema.get("type", "anything")
    return f"{name}{_limits(schema)}"


def _limits(schema: Document) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    limits = [f"{least} … {most}"] if None not in (least, most) else []
    if (longest := schema.get("maxLength")) is not None:
        limits.append(f"at most {longest} characters")
    if (pattern := schema.get("pattern")) is not None:
        limits.append(f"`{pattern}`")
    return f" ({', '.join(limits)})" if limits else ""


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def shortened(value: Any) -> Any:
    """The first items of each list of objects, and a mark that it goes on."""
    if isinstance(value, dict):
        return {name: shortened(inner) for name, inner in value.items()}
    if not isinstance(value, list):
        return value
    items = [shortened(inner) for inner in value]
    if len(items) > _SHOWN_ITEMS and isinstance(items[0], dict):
        return [*items[:_SHOWN_ITEMS], ANYTHING]
    return items


def compact(value: Any, indent: int = 0) -> str:
    """JSON with as much on a line as fits; what does not fit begins on one of its own."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= _WIDTH or not isinstance(value, dict | list):
        return line
    inner = indent + 1
    if isinstance(value, dict):
        parts = [f"{json.dumps(name)}: {compact(one, inner + 1)}" for name, one in value.items()]
    else:
        parts = [compact(one, inner) for one in value]
    begin, end = "{}" if isinstance(value, dict) else "[]"
    return begin + _filled(parts, inner) + end


def _filled(parts: Sequence[str], indent: int) -> str:
    """Parts with commas between them, as many on a line as fit."""
    text, column = "", indent
    for number, part in enumerate(parts):
        first, _, rest = part.partition("\n")
        if number:
            fits = column + len(first) + 3 <= _WIDTH and not rest
            text += ", " if fits else ",\n" + " " * indent
            column = column + 2 if fits else indent
        text += part
        # What follows a part of several lines begins on a new one.
        column = _WIDTH if rest else column + len(part)
    return text
