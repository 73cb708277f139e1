"""The golden examples against the generated JSON Schema, and that none is missing."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from schemas.events import REJECT_REASONS, UsageEvent
from schemas.generate import documents
from tests.examples import BAD, GOOD, Example, each

_SCHEMA = json.loads(documents()["sms.usage.v1.schema.json"])
_VALIDATOR = Draft202012Validator(_SCHEMA)

# What a schema of the value cannot see: the bytes, the key, the clock, the state.
_BEYOND_SCHEMA = {"invalid_key", "in_future", "too_old", "unsupported_currency", "orphan_status"}
_BEYOND_PATTERNS = {
    "occurred_at_30_february",
    "occurred_at_29_february",
    "occurred_at_year_zero",
    # Python's `$` matches before a trailing newline; in ECMA-262 and RE2 it does not.
    "occurred_at_newline",
    "phone_number_newline",
}


def _seen_by_schema(example: Example) -> bool:
    return (
        example.reason in {"missing_field", "invalid_field"}
        and example.name not in _BEYOND_PATTERNS
    )


def _parse(value: bytes) -> object:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(value.decode("utf-8"), parse_constant=refuse)


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(_SCHEMA)


@each(GOOD)
def test_good_examples_are_accepted(example: Example) -> None:
    _VALIDATOR.validate(_parse(example.value))


@each([example for example in BAD if _seen_by_schema(example)])
def test_bad_examples_are_refused(example: Example) -> None:
    errors = list(_VALIDATOR.iter_errors(_parse(example.value)))
    assert errors
    if example.reason == "invalid_field" and example.name != "user_and_phone":
        assert {error.path[0] for error in errors if error.path} == {example.detail}


@each([e for e in BAD if e.reason in _BEYOND_SCHEMA or e.name in _BEYOND_PATTERNS])
def test_what_the_schema_cannot_refuse_is_only_that(example: Example) -> None:
    _VALIDATOR.validate(_parse(example.value))


@each([example for example in BAD if example.reason == "invalid_json"])
def test_invalid_json_is_no_json_object(example: Example) -> None:
    try:
        parsed = _parse(example.value)
    except ValueError:
        return
    is_object = isinstance(parsed, dict)
    assert not is_object or example.name == "invalid_json_lone_surrogate"


def test_every_reason_has_an_example() -> None:
    by_decoding = set(REJECT_REASONS) - {"quarantined"}  # an operator's act, of any record
    assert {example.reason for example in BAD} == by_decoding


@pytest.mark.parametrize("field", UsageEvent.__struct_fields__)
def test_every_field_is_used_and_violated(field: str) -> None:
    assert any(field in json.loads(example.value) for example in GOOD)
    assert any(example.detail == field for example in BAD)


def test_names_are_unique_and_details_name_fields() -> None:
    names = [example.name for example in GOOD + BAD]
    assert len(names) == len(set(names))
    assert {example.detail for example in BAD} <= {"", *UsageEvent.__struct_fields__}
