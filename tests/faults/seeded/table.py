"""The table of the fault runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.faults.seeded.schedule import FREEZE, KILL_AT_POINT, LONG, SHORT, schedule
from tests.faults.seeded.worker import POINTS


def report(results: Sequence[dict[str, Any]]) -> str:
    """The page of the documentation: what was run, and the table."""
    return (
        "# Fault runs\n\n"
        "Each run sends 20,000 simulated events (5 % duplicates, 1 % poison, 2 % late, 25 %\n"
        "receipts, a part of them with prices, disorder) while faults drawn from its seed happen,\n"
        "waits for the end, and compares every message, every cell, the dead letters and answers\n"
        "of the API with what separate code computes from the ledger of what was sent. Four times\n"
        "a second it also looks that no committed offset is ahead of what is durable. `make\n"
        "faults` goes on with it.\n\n"
        "Durable again: from the end of a fault until all that had been sent by then was durable.\n"
        "The workers' session time-out is 6 s in these runs.\n\n"
        f"{table(results)}\n"
    )


def table(results: Sequence[dict[str, Any]]) -> str:
    """Faults × runs, lost, doubled, and the time until all was durable, as Markdown."""
    rows = [
        "| fault | runs | lost | doubled | otherwise wrong | durable again, p50 | p95 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in (*SHORT, *LONG):
        of_it = [result for result in results if _suffered(result, name)]
        rows.append(_row(name, of_it, name))
    rows.append(_row("all runs", results, None))
    return "\n".join([*rows, "", _remarks(results)])


def _suffered(result: dict[str, Any], fault: str) -> bool:
    """Whether a run had a fault; a named point has to have been passed."""
    return fault in result["faults"] and (fault != KILL_AT_POINT or bool(_passed(result, fault)))


def _passed(result: dict[str, Any], fault: str) -> list[str]:
    """The named points that a run drew for a fault and that a worker came to."""
    drawn = schedule(result["seed"], with_long=True).faults
    named = {point for each in drawn if each.name == fault for point in each.points}
    return [point for point in result["points"] if point in named]


def _row(title: str, results: Sequence[dict[str, Any]], fault: str | None) -> str:
    lost, doubled = (sum(result[key] for result in results) for key in ("lost", "doubled"))
    wrong = sum(bool(result["wrong"]) for result in results)
    times = sorted(
        seconds
        for result in results
        for name, seconds in result["recovered"]
        if fault in (None, name)
    )
    p50, p95 = (f"{times[int(len(times) * q)]:.1f} s" if times else "–" for q in (0.5, 0.95))
    return f"| {title} | {len(results)} | {lost} | {doubled} | {wrong} | {p50} | {p95} |"


def _remarks(results: Sequence[dict[str, Any]]) -> str:
    several = sum(result["workers"] > 1 for result in results)
    commits = sorted({result["commit"] for result in results})
    killed, frozen = (
        Counter(point for result in results for point in _passed(result, fault))
        for fault in (KILL_AT_POINT, FREEZE)
    )
    return (
        f"{several} of the runs had several workers from the beginning; commits:"
        f" {', '.join(commits)}.\n\n"
        f"Killed at: {_listed(killed)}.\n\n"
        f"Frozen in the middle of a flush, and writing on when its partitions were another's:"
        f" {_listed(frozen)}."
    )


def _listed(points: Counter[str]) -> str:
    return ", ".join(f"{point} {points[point]}×" for point in POINTS if points[point]) or "nowhere"
