"""Compares an API's answer with the oracle's and says in words where they differ.

Exact but for: percentiles (1 % relative), other floats (1e-9 relative), amounts in USD (half a
unit of the sixth decimal). What the oracle does not know is not looked at; what it knows must be
there. Lists with keys are compared by key, and their order where the contract gives one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

PERCENTILES = {"p50", "p95", "p99"}
# The n largest of the oracle's list, by which number; the product chooses n, but not below 5.
TOP_LISTS = {"top_countries": "messages", "top_spenders": "cost_micros"}
LEAST_TOP = 5
IDENTITIES = ("key", "user_id", "error_code", "country_code")


def differences(actual: Any, expected: Any, path: str = "") -> list[str]:
    """One line per difference, empty if there is none. `path` is what the lines begin with."""
    name = path.rpartition(".")[2].partition("[")[0]
    if isinstance(expected, Mapping):
        return _of_objects(actual, expected, path)
    if isinstance(expected, list):
        return _of_lists(actual, expected, path, name)
    return [] if _is_same(actual, expected, name) else [f"{path}: {actual!r}, not {expected!r}"]


def _of_objects(actual: Any, expected: Mapping[str, Any], path: str) -> list[str]:
    if not isinstance(actual, Mapping):
        return [f"{path}: {actual!r}, not an object"]
    found = []
    for name, value in expected.items():
        inner = f"{path}.{name}" if path else name
        found += differences(actual[name], value, inner) if name in actual else [f"{inner}: absent"]
    return found


def _of_lists(actual: Any, expected: list[Any], path: str, name: str) -> list[str]:
    if not isinstance(actual, list):
        return [f"{path}: {actual!r}, not a list"]
    identity = _identity(expected) or _identity(actual)
    if identity is None:
        return _of_sequences(actual, expected, path)
    found, wanted = _by(actual, identity), _by(expected, identity)
    if len(found) < len(actual):
        return [f"{path}: the same {identity} twice"]
    surplus = [f"{path}.{name}: too much" for name in found if name not in wanted]
    if name in TOP_LISTS:
        known = {key: item for key, item in wanted.items() if key in found}
        return (
            surplus
            + _of_ranks(actual, expected, path, TOP_LISTS[name])
            + _of_objects(found, known, path)
        )
    return surplus + _of_objects(found, wanted, path)


def _of_sequences(actual: list[Any], expected: list[Any], path: str) -> list[str]:
    if len(actual) != len(expected):
        return [f"{path}: {len(actual)} items, not {len(expected)}"]
    pairs = enumerate(zip(actual, expected, strict=True))
    return [line for at, (a, e) in pairs for line in differences(a, e, f"{path}[{at}]")]


def _of_ranks(actual: list[Any], expected: list[Any], path: str, order: str) -> list[str]:
    """Which of equals is in a top list is open, but not by how much each is at the top."""
    if len(actual) < min(len(expected), LEAST_TOP):
        return [f"{path}: {len(actual)} items of {len(expected)}"]
    values, largest = ([item[order] for item in items] for items in (actual, expected))
    return [] if values == largest[: len(values)] else [f"{path}: {order} {values}, not {largest}"]


def _identity(items: list[Any]) -> str | None:
    if not items or not isinstance(items[0], Mapping):
        return None
    return next((name for name in IDENTITIES if name in items[0]), None)


def _by(items: list[Any], identity: str) -> dict[str, Any]:
    return {f"{identity} {item[identity]}": item for item in items}


def _is_same(actual: Any, expected: Any, name: str) -> bool:
    if name == "start":
        return isinstance(actual, str) and _seconds(actual) == expected
    if actual is None or expected is None or isinstance(expected, str):
        return bool(actual == expected)
    if isinstance(actual, str | bool):
        return False
    if name in PERCENTILES:
        return math.isclose(actual, expected, rel_tol=0.01)
    if name.endswith("_usd") or name.startswith("cost_per"):
        return math.isclose(actual, expected, rel_tol=1e-12, abs_tol=5.1e-7)
    if isinstance(expected, float):
        return math.isclose(actual, expected, rel_tol=1e-9)
    return bool(actual == expected)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
