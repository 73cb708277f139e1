"""Every line of the contract's table of rejected input is among the poison."""

from __future__ import annotations

import json

import msgspec
import pytest

from deploy.simulate.poison import FAULTS, Fault, Victim
from schemas.events import MAX_EVENT_BYTES, REJECT_REASONS, UsageEvent

VICTIM = Victim(
    "42",
    {
        "user_id": 42,
        "event_id": "EV1",
        "message_sid": "SM1",
        "direction": "outbound",
        "status": "delivered",
        "occurred_at": "2026-11-18T06:21:52.665Z",
    },
    1_795_000_000_000,
)
DECODER = msgspec.json.Decoder(UsageEvent)
IDS = [f"{fault.reason}-{number}" for number, fault in enumerate(FAULTS)]


def test_every_reason_occurs_that_one_record_can_have() -> None:
    needs_more = {"orphan_status", "quarantined"}
    assert {fault.reason for fault in FAULTS} == set(REJECT_REASONS) - needs_more


def test_the_victim_is_valid() -> None:
    assert DECODER.decode(json.dumps(VICTIM.fields)).user_id == 42


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.reason == "invalid_field"])
def test_an_invalid_field_is_one_that_the_event_type_refuses(fault: Fault) -> None:
    (record,) = fault.records(VICTIM)
    assert record.value is not None
    with pytest.raises(msgspec.ValidationError, match=r"at `\$\.") as caught:
        _decode_whole(record.value)
    assert "required" not in str(caught.value)


def _decode_whole(value: str | bytes) -> None:
    event = DECODER.decode(value)
    # What the type cannot say: days that do not exist, more than a million dollars.
    if "-02-30" in event.occurred_at or "T25" in event.occurred_at or event.price:
        raise msgspec.ValidationError("at `$.occurred_at` or `$.price`")


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.reason == "invalid_json"])
def test_invalid_json_is_no_json_object_in_utf_8(fault: Fault) -> None:
    for record in fault.records(VICTIM):
        assert not _is_object(record.value)


def _is_object(value: str | bytes | None) -> bool:
    if not isinstance(value, bytes):
        return False
    try:
        return isinstance(json.loads(value.decode(), parse_constant=_no_constant), dict)
    except (ValueError, RecursionError):
        return False


def _no_constant(name: str) -> None:
    raise ValueError(name)


@pytest.mark.parametrize(
    "fault",
    [f for f in FAULTS if f.reason not in ("invalid_field", "invalid_json", "missing_field")],
)
def test_other_poison_is_a_valid_event_in_itself(fault: Fault) -> None:
    (record,) = fault.records(VICTIM)
    assert isinstance(record.value, bytes)
    assert DECODER.decode(record.value).message_sid == "SM1"
    assert (len(record.value) > MAX_EVENT_BYTES) is (fault.reason == "too_large")
    assert (record.key != VICTIM.key) is (fault.reason == "invalid_key")


def test_some_neighbours_forge_an_event_when_joined_into_an_array_or_lines() -> None:
    groups = [[r.value for r in fault.records(VICTIM)] for fault in FAULTS]
    array, lines = [values for values in groups if len(values) > 1]
    forged = json.loads(b"[" + b",".join(array) + b"]")  # type: ignore[arg-type]
    assert len(forged) == len(array)
    assert forged[-1]["message_sid"] == "SM1F"
    events = DECODER.decode_lines(b"\n".join(lines))  # type: ignore[arg-type]
    assert [event.message_sid for event in events] == ["SM1", "SM1F"]
