"""The table of the control runs, a section of its own in the page of the fault runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

_SUMS = ("messages", "lost", "doubled", "crashes")
TITLE = "## Control: stock Faust"
_TEXT = """\
The same traffic without poison into jobs written the ordinary way: an agent that counts messages
per cell in a table, per event or with `take(100)`, and remembers sids in a second table or, so that
repetitions count, does not; static membership, Faust's defaults otherwise. The worker gets SIGKILL
at random moments and is started again. Lost and doubled are messages, cell by cell, against the
same rule applied to the ledger.

Losing and doubling is not all: after the kills of seed 5 a worker of `take(100)` with sids had once
counted everything and then committed one offset every 2.8 s, 393 of 7,535 when it was stopped after
13 minutes. The seed was run again.
"""


def section(results: Sequence[dict[str, Any]]) -> str:
    """How many messages were lost and doubled, with and without kills."""
    rows = [
        "| job | SIGKILLs in a run | runs | exact | messages | lost | doubled | died by itself |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for job, kills in sorted({(line["job"], line["kills"]) for line in results}):
        of_it = [line for line in results if (line["job"], line["kills"]) == (job, kills)]
        sums = {name: sum(line[name] for line in of_it) for name in _SUMS}
        exact = sum(not (line["lost"] or line["doubled"]) for line in of_it)
        figures = (kills, len(of_it), exact, *sums.values())
        cells = " | ".join(format(figure, ",") for figure in figures)
        rows.append(f"| {job} | {cells} |")
    table = "\n".join(rows)
    return f"{TITLE}\n\n{_TEXT}\n{table}\n"


def put_into(page: Path, results: Sequence[dict[str, Any]]) -> None:
    """Write the section at the end of the page, in place of the one that is there."""
    before = page.read_text(encoding="utf-8").partition(f"\n{TITLE}")[0]
    page.write_text(f"{before.rstrip()}\n\n{section(results)}", encoding="utf-8")


def kept(page: Path) -> str:
    """The section as the page has it, with the empty line before it; empty if it has none."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    _, title, rest = text.partition(f"\n{TITLE}")
    return title + rest
