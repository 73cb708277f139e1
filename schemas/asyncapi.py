"""The AsyncAPI 3 document of every topic: addresses, messages and Kafka settings.

Rendered from `schemas.channels`, `schemas.topics` and the message types; `schemas.generate`
writes it to a file.
"""

from __future__ import annotations

from typing import Any

import msgspec

from schemas import topics
from schemas.channels import CHANNELS, COMPONENT, TEXT, Channel, Message
from schemas.json_schema import Schema, published, usage_event
from schemas.phones import UserPhone
from schemas.privacy import Consent, Erasure
from schemas.rates import ExemptCodes, Rate

_BINDING = "0.5.0"
_TIME: Schema = {"type": "string", "format": "date-time"}
_NUMBER: Schema = {"type": ["number", "null"]}
_NAMES: Schema = {"type": "object", "additionalProperties": TEXT}
_ALERT: Schema = {
    "type": "object",
    "description": "The state that an alert has come into.",
    "properties": {
        "status": {"enum": ["firing", "resolved"]},
        "alert_id": TEXT,
        "fingerprint": TEXT,
        "labels": {**_NAMES, "required": ["alertname", "severity"]},
        "annotations": _NAMES,
        "value": _NUMBER,
        "threshold": _NUMBER,
        "window": {"type": ["string", "null"]},
        "starts_at": _TIME,
        "ends_at": {**_TIME, "type": ["string", "null"]},
    },
    "required": ["status", "alert_id", "fingerprint", "labels", "starts_at"],
}


def asyncapi() -> Schema:
    """The whole document. Topic settings are those of one machine with default settings."""
    settings = {topic.name: topic for topic in topics.topics()}
    messages = {name: m for channel in CHANNELS.values() for name, m in channel.messages.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "SMS usage analytics",
            "version": "1.0.0",
            "description": "The Kafka topics of the product. Changes are additive.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(c, settings[c.address]) for name, c in CHANNELS.items()},
        "operations": {
            f"{c.action}{name[0].upper()}{name[1:]}": {
                "action": c.action,
                "channel": {"$ref": f"#/channels/{name}"},
            }
            for name, c in CHANNELS.items()
        },
        "components": {
            "messages": {name: _message(name, m) for name, m in messages.items()},
            "schemas": _schemas(),
        },
    }


def _channel(channel: Channel, topic: topics.Topic) -> Schema:
    return {
        "address": channel.address,
        "description": channel.about,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in channel.messages},
        "bindings": {
            "kafka": {
                "partitions": topic.partitions,
                "topicConfiguration": {k: _setting(k, v) for k, v in topic.config.items()},
                "bindingVersion": _BINDING,
            }
        },
    }


def _setting(name: str, value: str) -> Any:
    """A topic setting in the binding's types: lists and integers where Kafka has text."""
    if name == "cleanup.policy":
        return value.split(",")
    return int(value) if value.isdecimal() else value


def _message(name: str, message: Message) -> Schema:
    headers = {"headers": message.headers} if message.headers else {}
    return {
        "name": name,
        "summary": message.about,
        "contentType": message.content_type,
        **headers,
        "payload": message.payload,
        "bindings": {"kafka": {"key": message.key, "bindingVersion": _BINDING}},
    }


def _schemas() -> Schema:
    types = (UserPhone, Rate, ExemptCodes, Consent, Erasure)
    _, derived = msgspec.json.schema_components(types, ref_template=COMPONENT)
    cloud_event = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time")
    return {
        "UsageEvent": usage_event(),
        **published(derived),
        "Alert": _ALERT,
        "DeadLetterHeaders": _headers(topics.DEAD_LETTER_HEADERS, "All are UTF-8 text."),
        "CloudEventHeaders": _headers(cloud_event, "The `ce_id` is deterministic."),
    }


def _headers(names: tuple[str, ...], about: str) -> Schema:
    return {
        "type": "object",
        "description": about,
        "properties": dict.fromkeys(names, TEXT),
        "required": list(names),
    }
