"""JSON Schemas of the messages that others publish, derived from the msgspec types.

The type says everything about a single field; the rules that join fields (which kind needs what)
are added here, because a type cannot say them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.events import PATTERN_END, REQUIRED, UsageEvent

Schema = dict[str, Any]

_ABOUT = (
    "One event of one SMS or MMS: the message itself (`type` message, the default) or a later "
    "change of its status or price (`type` status). At most 64 KiB of UTF-8. Unknown fields are "
    "ignored; a `body` is dropped before anything is stored."
)

MEANINGS = {
    "event_id": "Identity of the publication; a retry repeats it.",
    "message_sid": "Identity of the message (Twilio SID or other); duplicates are found by it.",
    "occurred_at": "Event time, RFC 3339 with an offset; truncated to ms. A retry repeats it. "
    "At most 5 min after the record's timestamp and within the message retention before it.",
    "type": "Required for `status`.",
    "user_id": "The user. A message carries this or `phone_number`, a status at least one.",
    "phone_number": "The user's number, E.164; resolves to a user through `sms.user-phones.v1`.",
    "direction": "Required for `message`. `outbound-*` are Twilio's and all mean outbound.",
    "message_type": "Of `message` events.",
    "status": "Required for `status`. A message without it is `received` (inbound) or `sent`.",
    "error_code": "The provider's code; unknown ones pass through.",
    "segments": "SMS segments. An MMS is priced per message.",
    "encoding": "How the text was encoded.",
    "non_gsm_characters": "Characters that forced UCS-2, for the optimisation tips.",
    "num_media": "Media files of an MMS.",
    "body_length": "Characters of the text, never the text itself.",
    "processing_time_ms": "Time in the router, in ms; kept as integer µs, rounded half-even.",
    "country_code": "Country of the other party, ISO 3166 alpha-2; null is derived from "
    "`counterparty`, else `ZZ`.",
    "counterparty": "The other party's number, E.164; only its country and a keyed hash are kept.",
    "mcc_mnc": "Mobile country and network code of the carrier.",
    "price": "What the provider charged: a decimal string, at most 1000000 either side of zero; "
    "the sign is ignored, kept as integer micros, rounded half-even.",
    "price_unit": "Currency of `price`, ISO 4217; other than USD needs a configured rate.",
}


def usage_event() -> Schema:
    """The usage event; keywords that 2020-12 and draft-07 share, without `$schema` and `$id`."""
    (_, definitions) = msgspec.json.schema_components((UsageEvent,), ref_template="{name}")
    derived = definitions["UsageEvent"]
    properties = {
        name: {"description": MEANINGS[name], **published(schema)}
        for name, schema in derived["properties"].items()
    }
    user, phone = {"required": ["user_id"]}, {"required": ["phone_number"]}
    return {
        "title": "UsageEvent",
        "description": _ABOUT,
        "type": "object",
        "properties": properties,
        "required": derived["required"],
        "if": {"properties": {"type": {"const": "status"}}, "required": ["type"]},
        "then": {"required": list(REQUIRED["status"]), "anyOf": [user, phone]},
        "else": {"required": list(REQUIRED["message"]), "oneOf": [user, phone]},
    }


def published(schema: Any) -> Any:
    """`schema` as others read it: descriptions in one line, and patterns without the guard that
    only Python's `$` needs (RE2, which many validators use, has no look-ahead)."""
    if isinstance(schema, list):
        return [published(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    clean = {key: published(value) for key, value in schema.items()}
    if isinstance(pattern := clean.get("pattern"), str) and pattern.endswith(PATTERN_END):
        clean["pattern"] = pattern.removesuffix(PATTERN_END) + "$"
    if isinstance(description := clean.get("description"), str):
        clean["description"] = " ".join(description.split())
    return clean
