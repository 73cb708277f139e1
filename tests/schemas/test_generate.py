"""The committed contracts are what the types say, and the AsyncAPI document is sound."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from schemas import topics
from schemas.events import UsageEvent
from schemas.generate import DIRECTORY, documents, main, stale
from schemas.json_schema import MEANINGS

_DOCUMENT = json.loads(documents()["asyncapi.json"])


def test_committed_files_are_fresh() -> None:
    assert stale() == [], "run `python -m schemas.generate`"


def test_stale_files_are_named(tmp_path: Path) -> None:
    for path in DIRECTORY.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert stale(tmp_path) == []
    (tmp_path / "asyncapi.json").write_text("{}\n")
    (tmp_path / "left-over.json").write_text("{}\n")
    assert stale(tmp_path) == ["asyncapi.json", "left-over.json"]


def test_command_line() -> None:
    assert main(["--check"]) == 0
    assert main(["--unknown"]) == 2


def test_every_field_has_a_meaning() -> None:
    assert set(MEANINGS) == set(UsageEvent.__struct_fields__)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)


def _resolve(reference: str) -> Any:
    node = _DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_references_resolve() -> None:
    references = list(_references(_DOCUMENT))
    assert len(references) > 20
    for reference in references:
        assert reference.startswith("#/")
        assert _resolve(reference)


def test_every_topic_is_a_channel_with_its_settings() -> None:
    channels = {channel["address"]: channel for channel in _DOCUMENT["channels"].values()}
    assert set(channels) == {topic.name for topic in topics.topics()}
    for topic in topics.topics():
        kafka = channels[topic.name]["bindings"]["kafka"]
        assert kafka["partitions"] == topic.partitions
        assert set(kafka["topicConfiguration"]) == set(topic.config)
    usage = channels[topics.USAGE]["bindings"]["kafka"]["topicConfiguration"]
    assert usage["message.timestamp.type"] == "LogAppendTime"
    assert usage["retention.ms"] == 7 * 86_400_000
    phones = channels[topics.USER_PHONES]["bindings"]["kafka"]["topicConfiguration"]
    assert phones["cleanup.policy"] == ["compact"]


def test_every_channel_has_one_operation() -> None:
    operations = _DOCUMENT["operations"].values()
    assert {o["action"] for o in operations} == {"receive", "send"}
    targets = sorted(operation["channel"]["$ref"] for operation in operations)
    assert targets == sorted(f"#/channels/{name}" for name in _DOCUMENT["channels"])


@pytest.mark.parametrize("name", _DOCUMENT["components"]["messages"])
def test_messages_have_key_payload_and_valid_schemas(name: str) -> None:
    message = _DOCUMENT["components"]["messages"][name]
    assert message["name"] == name
    Draft7Validator.check_schema(message["payload"])
    Draft7Validator.check_schema(message["bindings"]["kafka"]["key"])


@pytest.mark.parametrize("name", _DOCUMENT["components"]["schemas"])
def test_component_schemas_are_valid(name: str) -> None:
    Draft7Validator.check_schema(_DOCUMENT["components"]["schemas"][name])


def test_dead_letter_headers() -> None:
    headers = _DOCUMENT["components"]["schemas"]["DeadLetterHeaders"]
    assert tuple(headers["required"]) == topics.DEAD_LETTER_HEADERS


@pytest.mark.parametrize(
    ("key", "is_valid"),
    [("42", True), ("+442071838750", True), ("042", False), ("42 ", False), ("", False)],
)
def test_event_key(key: str, is_valid: bool) -> None:
    message = _DOCUMENT["components"]["messages"]["usageEvent"]
    assert Draft7Validator(message["bindings"]["kafka"]["key"]).is_valid(key) is is_valid
