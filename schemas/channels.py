"""What each topic carries: record key, value and headers as schemas, for the AsyncAPI document.

Where a message has a type, its schema is derived from it (`schemas.asyncapi` defines the
components that are referred to here); the others follow sections 1 and 6 of the contract.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from schemas import topics
from schemas.events import PhoneNumber
from schemas.json_schema import Schema, published

COMPONENT = "#/components/schemas/{name}"
TEXT: Schema = {"type": "string"}
_TOMBSTONE: Schema = {"type": "null"}
_PHONE: Schema = {"description": "E.164.", **published(msgspec.json.schema(PhoneNumber))}
_EVENT_KEY: Schema = {
    "description": "The event's `user_id` in decimal, or its `phone_number`. All events of one "
    "message carry the same key; murmur2 chooses the partition.",
    "oneOf": [{**TEXT, "pattern": "^[1-9][0-9]{0,15}$"}, _PHONE],
}


def _ref(name: str) -> Schema:
    return {"$ref": COMPONENT.format(name=name)}


def _privacy_key(kind: str) -> Schema:
    return {**TEXT, "pattern": f"^[1-9][0-9]{{0,15}}:{kind}$"}


@dataclass(frozen=True)
class Message:
    """A message of a topic; `headers` None where it has none."""

    about: str
    key: Schema
    payload: Schema
    headers: Schema | None = None
    content_type: str = "application/json"


@dataclass(frozen=True)
class Channel:
    """A topic as the product uses it: it receives or sends these messages there."""

    address: str
    about: str
    action: Literal["receive", "send"]
    messages: dict[str, Message]


CHANNELS: dict[str, Channel] = {
    "usage": Channel(
        topics.USAGE,
        "What routers publish: one event per message, later ones for its status and price.",
        "receive",
        {"usageEvent": Message("A usage event.", _EVENT_KEY, _ref("UsageEvent"))},
    ),
    "deadLetters": Channel(
        topics.DEAD_LETTERS,
        "Rejected records, unchanged. Identity is the source position: after a crash a record "
        "may be there twice.",
        "send",
        {
            "deadLetter": Message(
                "A rejected record.",
                {"description": "The original key, whatever it is."},
                {"description": "The original bytes, whatever they are."},
                _ref("DeadLetterHeaders"),
                "application/octet-stream",
            )
        },
    ),
    "userPhones": Channel(
        topics.USER_PHONES,
        "Which user a phone number belongs to.",
        "receive",
        {
            "userPhone": Message("A number's user.", _PHONE, _ref("UserPhone")),
            "userPhoneEnd": Message("The number has no user.", _PHONE, _TOMBSTONE),
        },
    ),
    "rateCard": Channel(
        topics.RATE_CARD,
        "The rate card in force: its rows and one record of exempt error codes.",
        "receive",
        {
            "rate": Message("A rate, keyed by its id.", TEXT, _ref("Rate")),
            "exemptCodes": Message(
                "The exempt error codes.", {"const": "exempt_error_codes"}, _ref("ExemptCodes")
            ),
            "rateEnd": Message("The record of this id is gone.", TEXT, _TOMBSTONE),
        },
    ),
    "privacy": Channel(
        topics.PRIVACY,
        "Erasure and consent of users, as the API took them; of each key the newest counts.",
        "receive",
        {
            "consent": Message("A user's consent.", _privacy_key("consent"), _ref("Consent")),
            "erasure": Message(
                "A user's messages of before this record have to go.",
                _privacy_key("erasure"),
                _ref("Erasure"),
            ),
        },
    ),
    "systemUsage": Channel(
        topics.SYSTEM_USAGE,
        "System cells as they change. Created, not yet in use: the fields come with it.",
        "send",
        {
            "systemMinute": Message(
                "All cells of one minute and source.",
                {**TEXT, "description": "Minute and source."},
                {"type": "object"},
            )
        },
    ),
    "alerts": Channel(
        topics.ALERTS,
        "Alert transitions, CloudEvents 1.0 in binary mode. Created, not yet in use.",
        "send",
        {
            "alert": Message(
                "An alert fires or is resolved.",
                {**TEXT, "description": "The alert's fingerprint."},
                _ref("Alert"),
                _ref("CloudEventHeaders"),
            )
        },
    ),
}
