"""Names and classes of provider error codes; `error_codes.toml` holds them with their sources."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

ErrorClass = Literal["retryable", "bad_number", "registration", "consent", "account", "fraud"]


class ErrorName(msgspec.Struct, frozen=True, rename={"error_class": "class"}):
    """What an error code says, and which kind of remedy helps (None: none of the kinds)."""

    description: str
    error_class: ErrorClass | None = None


@cache
def error_names() -> dict[int, ErrorName]:
    """Every code that has a name; codes without one are normal and pass through."""
    text = files("schemas").joinpath("error_codes.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[int, ErrorName], strict=False)
