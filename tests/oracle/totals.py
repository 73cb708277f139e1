"""Numbers over a list of messages; contract section 3. Ratios are None where nothing counts."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.oracle.messages import Message
from tests.oracle.periods import BUCKET_S

ERROR_CODES_FILE = Path(__file__).parents[2] / "schemas" / "error_codes.toml"
GOOD = {"delivered", "received", "read"}
BAD = {"failed", "undelivered"}
OVERDUE_MS = 72 * 3_600_000

Answer = dict[str, Any]


def ratio(part: int, whole: int) -> float | None:
    """`part / whole`."""
    return part / whole if whole else None


def money(micros: int, name: str) -> Answer:
    """An amount as USD and, exact, as micro-USD."""
    return {f"{name}_usd": micros / 1_000_000, f"{name}_micros": micros}


def success_rate(messages: Iterable[Message]) -> float | None:
    """Settled good / all settled, of both directions."""
    outcomes = Counter(message.status for message in messages)
    good = sum(outcomes[status] for status in GOOD)
    return ratio(good, good + sum(outcomes[status] for status in BAD))


def delivery(messages: Iterable[Message], data_as_of_ms: int | None) -> Answer:
    """Outbound messages by outcome."""
    counts: Counter[str] = Counter()
    for message in messages:
        if message.direction == "outbound":
            counts[_outcome(message, data_as_of_ms)] += 1
    settled = counts["delivered"] + counts["failed"]
    names = ("delivered", "failed", "in_flight", "unknown", "canceled")
    return {name: counts[name] for name in names} | {
        "receipt_coverage": ratio(settled, counts.total() - counts["canceled"])
    }


def _outcome(message: Message, data_as_of_ms: int | None) -> str:
    if message.status in GOOD:
        return "delivered"
    if message.status in BAD:
        return "failed"
    if message.status == "canceled":
        return "canceled"
    bucket_end_ms = (message.at_ms // (BUCKET_S * 1000) + 1) * BUCKET_S * 1000
    is_overdue = data_as_of_ms is not None and bucket_end_ms <= data_as_of_ms - OVERDUE_MS
    return "unknown" if is_overdue else "in_flight"


def processing_time_ms(messages: Iterable[Message]) -> dict[str, float | None]:
    """Average, nearest-rank percentiles and maximum over the messages that have a time."""
    times = sorted(m.processing_us for m in messages if m.processing_us is not None)
    if not times:
        return dict.fromkeys(("average", "p50", "p95", "p99", "max"))
    return {
        "average": sum(times) / len(times) / 1000,
        **{f"p{percent}": _nearest_rank(times, percent) / 1000 for percent in (50, 95, 99)},
        "max": times[-1] / 1000,
    }


def _nearest_rank(ordered: Sequence[int], percent: int) -> int:
    """The smallest value that at least `percent` % of all are not above."""
    return ordered[-(-percent * len(ordered) // 100) - 1]


def breakdown(messages: Iterable[Message], key: Callable[[Message], str]) -> list[Answer]:
    """Totals by key, most messages first, equal ones by key."""
    parts: dict[str, list[Message]] = {}
    for message in messages:
        parts.setdefault(key(message), []).append(message)
    items = [
        {
            "key": name,
            "messages": len(part),
            "segments": sum(message.segments for message in part),
            **money(sum(message.cost for message in part), "cost"),
        }
        for name, part in parts.items()
    ]
    return sorted(items, key=lambda item: (-item["messages"], item["key"]))


def counted(keys: Iterable[Any], name: str) -> list[Answer]:
    """How many of each key that is not None, most first, equal ones by key."""
    counts = Counter(key for key in keys if key is not None)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{name: key, "messages": number} for key, number in ordered]


def error_codes(messages: Iterable[Message]) -> list[Answer]:
    """How many messages bear each error code, with its name and class."""
    counts = counted((message.error_code for message in messages), "error_code")
    names = (named(item["error_code"]) for item in counts)
    return [
        item | {"description": name["error_description"], "error_class": name["error_class"]}
        for item, name in zip(counts, names, strict=True)
    ]


def named(error_code: int | None) -> Answer:
    """The description and class of an error code; None for one that is not in the file."""
    name = _error_names().get(str(error_code), {})
    return {"error_description": name.get("description"), "error_class": name.get("class")}


@cache
def _error_names() -> dict[str, dict[str, str]]:
    return tomllib.loads(ERROR_CODES_FILE.read_text(encoding="utf-8"))


def peak(counts: Sequence[int]) -> int | None:
    """The earliest place of the largest count, None without any."""
    return counts.index(max(counts)) if any(counts) else None
