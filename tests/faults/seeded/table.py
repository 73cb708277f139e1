"""The table of the fault runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.faults.seeded.schedule import LONG, SHORT


def report(results: Sequence[dict[str, Any]]) -> str:
    """The page of the documentation: what was run, and the table."""
    return (
        "# Fault runs\n\n"
        "Each run sends 20,000 simulated events (5 % duplicates, 1 % poison, 2 % late, 25 %\n"
        "receipts, disorder) while faults drawn from its seed happen, waits for the end, and\n"
        "compares every message, every cell, the dead letters and the committed offsets with what\n"
        "separate code computes from the ledger of what was sent. `make faults` goes on with\n"
        "it.\n\n"
        f"{table(results)}\n"
    )


def table(results: Sequence[dict[str, Any]]) -> str:
    """Faults × runs, lost, doubled, and the time until all was durable, as Markdown."""
    rows = [
        "| fault | runs | lost | doubled | durable again, p50 | p95 |",
        "|---|---|---|---|---|---|",
    ]
    for name in (*SHORT, *LONG):
        of_it = [result for result in results if name in result["faults"]]
        rows.append(_row(name, of_it))
    rows.append(_row("all runs", results))
    several = sum(result["workers"] > 1 for result in results)
    return "\n".join([*rows, "", f"{several} of the runs had several workers from the beginning."])


def _row(name: str, results: Sequence[dict[str, Any]]) -> str:
    lost, doubled = (sum(result[key] for result in results) for key in ("lost", "doubled"))
    times = sorted(result["recovered_s"] for result in results)
    p50, p95 = (f"{times[int(len(times) * q)]:.1f} s" if times else "–" for q in (0.5, 0.95))
    return f"| {name} | {len(results)} | {lost} | {doubled} | {p50} | {p95} |"
