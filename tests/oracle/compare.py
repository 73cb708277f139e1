"""Compares an API's answer with the oracle's and says in words where they differ.

Exact but for: percentiles (1 % relative), other floats (1e-9 relative), amounts in USD (half a
unit of the sixth decimal), projections (a unit of it, as their sums of floats are rounded). What
the oracle does not know is not looked at; what it knows must be there. Lists with keys are
compared by key, others in their order. Instants are texts in answers and seconds in the oracle's;
of a sentence, the oracle knows the numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

PERCENTILES = {"p50", "p95", "p99"}
PROJECTED = {"projected_cost_usd", "projected_cost_micros", "low", "high"}
INSTANTS = {"start", "end", "period_start", "period_end", "at", "occurred_at"}
SENTENCE = "message"
# The n largest of the oracle's list, by which number; the product chooses n, but not below 5.
TOP_LISTS = {"top_countries": "messages", "top_spenders": "cost_micros"}
LEAST_TOP = 5
IDENTITIES = ("key", "user_id", "error_code", "country_code")
IN_ORDER = {"user_comparison", "messages", "timeline", "top_numbers", "users", "rows"}


def differences(actual: Any, expected: Any, path: str = "") -> list[str]:
    """One line per difference, empty if there is none. `path` is what the lines begin with."""
    name = path.rpartition(".")[2].partition("[")[0]
    if isinstance(expected, Mapping):
        return _of_objects(actual, expected, path)
    if name == SENTENCE and isinstance(expected, list):
        return _of_sentences(actual, expected, path)
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
    identity = None if name in IN_ORDER else _identity(expected) or _identity(actual)
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


def _of_sentences(actual: Any, expected: list[float], path: str) -> list[str]:
    """The numbers of a text, which has at most one decimal."""
    found = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", actual)]
    is_same = len(found) == len(expected) and all(
        math.isclose(one, other, abs_tol=0.0501) for one, other in zip(found, expected, strict=True)
    )
    return [] if is_same else [f"{path}: {actual!r}, not with {expected}"]


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
    if actual is None or expected is None or isinstance(expected, str | bool):
        return bool(actual == expected)
    if name in INSTANTS:
        return isinstance(actual, str) and _seconds(actual) == expected
    if isinstance(actual, str | bool):
        return False
    if name in PERCENTILES:
        return math.isclose(actual, expected, rel_tol=0.01)
    if name in PROJECTED:
        unit = 1 if name.endswith("_micros") else 1e-6
        return math.isclose(actual, expected, rel_tol=1e-9, abs_tol=1.01 * unit)
    if name.endswith("_usd") or "cost_per_" in name:
        return math.isclose(actual, expected, rel_tol=1e-12, abs_tol=5.1e-7)
    if isinstance(expected, float):
        return math.isclose(actual, expected, rel_tol=1e-9)
    return bool(actual == expected)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
