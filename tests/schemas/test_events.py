"""Every limit of the contract's event table, at its edge, on the type that the worker decodes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas.events import MAX_EVENT_BYTES, MAX_FUTURE_MS, MESSAGE_RETENTION_DAYS, UsageEvent

_MESSAGE = {
    "event_id": "e",
    "message_sid": "s",
    "user_id": 1,
    "direction": "inbound",
    "occurred_at": "2026-03-01T12:00:00Z",
}
_STATUSES = [
    "accepted",
    "scheduled",
    "queued",
    "sending",
    "sent",
    "delivered",
    "undelivered",
    "failed",
    "canceled",
    "receiving",
    "received",
    "read",
    "partially_delivered",
]
_PHONES = ["+12", "+123456789012345"]
_NOT_PHONES = ["+1", "12", "+01234", "+1234567890123456", "+1 2", "+1a", "+12\n", "", 12]
_TEXTS = ["x", "x" * 64, "\N{GRINNING FACE}" * 64]
_NOT_TEXTS = ["", "x" * 65, 1, None]
_COUNT = [-1, 65536, 1.5, 1.0, "1", True, None]

# Field: what is accepted, what is refused.
_LIMITS: dict[str, tuple[list[Any], list[Any]]] = {
    "type": (["message", "status"], ["Message", "", None, 1]),
    "event_id": (_TEXTS, _NOT_TEXTS),
    "message_sid": (_TEXTS, _NOT_TEXTS),
    "user_id": ([1, 2**53 - 1], [0, -1, 2**53, 2**64, 1.0, "1", True, None]),
    "phone_number": (_PHONES, [*_NOT_PHONES, None]),
    "direction": (
        ["inbound", "outbound", "outbound-api", "outbound-reply", "outbound-call"],
        ["Inbound", "outbound-", "inbound-api", "", None],
    ),
    "message_type": (["sms", "mms"], ["SMS", "whatsapp", "", None]),
    "status": (_STATUSES, ["unknown", "Sent", "cancelled", "", None]),
    "error_code": ([-(2**31), 0, 2**31 - 1, None], [-(2**31) - 1, 2**31, "1", 1.5]),
    "segments": ([1, 100], [0, 101, 1.5, "1", None]),
    "encoding": (["GSM-7", "UCS-2", None], ["gsm-7", "UTF-8", ""]),
    "non_gsm_characters": ([0, 65535], _COUNT),
    "num_media": ([0, 10], [-1, 11, "1", None]),
    "body_length": ([0, 65535], _COUNT),
    "processing_time_ms": (
        [0, 0.0005, 86_400_000, 86_400_000.0, None],
        [-0.001, 86_400_000.001, 86_400_001, "1", True],
    ),
    "country_code": (["US", "ZZ", None], ["us", "USA", "U", "U1", "ÉA", "US\n", ""]),
    "counterparty": ([*_PHONES, None], _NOT_PHONES),
    "mcc_mnc": (["31041", "310410", None], ["3104", "3104100", "31041a", "٣١٠٤١", 31041, ""]),
    "price": (
        [
            *["0", "-0.00750", "0.000000000001", "999999.999999999999", "1000000", "-1000000"],
            *["1000000.000000000000", "0000001", None],
        ],
        [
            *["1000000.000000000001", "1000001", "-1000001", "9999999", "0.0000000000001"],
            *["1.", ".5", "+1", "--1", "1e3", "NaN", "Infinity", "1,5", " 1", "1\n", "", 1, 0.5],
        ],
    ),
    "price_unit": (["USD", "EUR"], ["usd", "US", "USDT", "US1", "USD\n", "", None]),
    "occurred_at": (
        [
            *["2026-03-01T12:00:00Z", "2026-03-01t12:00:00z", "2026-03-01 12:00:00Z"],
            *["2026-03-01T00:00:00.1Z", "2026-03-01T23:59:59.999999999Z"],
            *["2026-03-01T12:00:00+05:45", "2026-12-31T12:00:00-00:00"],
            *["2026-03-01T12:00:00+23:59", "2026-03-01T12:00:00.12345678901234-23:59"],
        ],
        [
            *["2026-03-01T12:00:00", "2026-03-01T12:00Z", "2026-03-01", "12:00:00Z"],
            *["2026-00-01T12:00:00Z", "2026-13-01T12:00:00Z", "2026-03-00T12:00:00Z"],
            *["2026-03-32T12:00:00Z", "2026-03-01T24:00:00Z", "2026-03-01T12:60:00Z"],
            *["2026-03-01T12:00:60Z", "2026-03-01T12:00:00+24:00", "2026-03-01T12:00:00+05:60"],
            *["2026-03-01T12:00:00+0545", "2026-03-01T12:00:00.Z", "2026-03-01T12:00:00,5Z"],
            *["26-03-01T12:00:00Z", "2026-3-1T12:00:00Z", "2026-03-01T12:00:00Z\n"],
            *["2026-03-01T12:00:00." + "1" * 30 + "Z", 1772366400, None],
        ],
    ),
}
_ACCEPTED = [(field, value) for field, (values, _) in _LIMITS.items() for value in values]
_REFUSED = [(field, value) for field, (_, values) in _LIMITS.items() for value in values]


def _decode(field: str, value: Any) -> UsageEvent:
    return msgspec.json.decode(msgspec.json.encode({**_MESSAGE, field: value}), type=UsageEvent)


def test_every_field_is_in_the_table() -> None:
    assert set(_LIMITS) == set(UsageEvent.__struct_fields__)


@pytest.mark.parametrize(("field", "value"), _ACCEPTED)
def test_accepted(field: str, value: Any) -> None:
    assert getattr(_decode(field, value), field) == value


@pytest.mark.parametrize(("field", "value"), _REFUSED)
def test_refused(field: str, value: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match=rf"at `\$\.{field}`"):
        _decode(field, value)


@pytest.mark.parametrize("field", ["event_id", "message_sid", "occurred_at"])
def test_required(field: str) -> None:
    others = {name: value for name, value in _MESSAGE.items() if name != field}
    with pytest.raises(msgspec.ValidationError, match=rf"missing required field `{field}`"):
        msgspec.json.decode(msgspec.json.encode(others), type=UsageEvent)


def test_defaults() -> None:
    event = msgspec.json.decode(msgspec.json.encode(_MESSAGE), type=UsageEvent)
    given = {field: getattr(event, field) for field in event.__struct_fields__}
    assert given == {
        **_MESSAGE,
        "type": "message",
        "phone_number": msgspec.UNSET,
        "message_type": "sms",
        "status": msgspec.UNSET,
        "error_code": None,
        "segments": 1,
        "encoding": None,
        "non_gsm_characters": 0,
        "num_media": 0,
        "body_length": 0,
        "processing_time_ms": None,
        "country_code": None,
        "counterparty": None,
        "mcc_mnc": None,
        "price": None,
        "price_unit": "USD",
    }


def test_unknown_fields_are_dropped() -> None:
    raw = msgspec.json.encode({**_MESSAGE, "body": "a secret", "x": [{"y": None}]})
    event = msgspec.json.decode(raw, type=UsageEvent)
    assert b"secret" not in msgspec.json.encode(event)


def test_limits_of_size_and_time() -> None:
    assert MAX_EVENT_BYTES == 65_536
    assert MAX_FUTURE_MS == 300_000
    assert MESSAGE_RETENTION_DAYS == 400
