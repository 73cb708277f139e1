"""Reads the examples of a Markdown document: commands, and the answer that is shown for them.

An example is a block of shell commands that has curl or the project's command in it. A block of
JSON behind it is what the answer holds: fields may be left out, `"…"` stands for anything, a list
that ends with it may go on. A block of text behind it is what is printed, word for word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SUM = re.compile(r"`([-+*/(). \d,]+) = ([\d.,]+)`")
_COMMANDS = ("curl ", ".venv/bin/sms-analytics")
ANYTHING = "…"
VOLATILE = {"request_id", "receipt_id", "entry_id"}
"""Fields that are other ones each time."""


@dataclass(frozen=True)
class Example:
    """Commands of a document, and what is shown of the answer, if anything.

    `is_of_a_route`: it is generated with its route, and its whole answer is stored.
    """

    place: str
    commands: str
    kind: str
    shown: str
    is_of_a_route: bool


def examples(path: Path) -> list[Example]:
    """The examples of a document, in order."""
    text = path.read_text(encoding="utf-8")
    blocks = list(_BLOCK.finditer(text))
    found = []
    for block, following in zip(blocks, [*blocks[1:], None], strict=False):
        if block[1] != "sh" or not any(command in block[2] for command in _COMMANDS):
            continue
        line = text.count("\n", 0, block.start()) + 1
        is_next = following is not None and not text[block.end() : following.start()].strip()
        kind, answer = following.groups() if following and is_next else ("", "")
        is_of_a_route = "## Routes\n" in text[: block.start()]
        found.append(Example(f"{path.name}:{line}", block[2], kind, answer, is_of_a_route))
    return found


def sums(path: Path) -> list[tuple[str, float, float]]:
    """Every sum that a document works out, `45 / (45 + 3) = 0.9375`: text, left and right side."""
    return [
        (match[0], _value(match[1].replace(",", "")), float(match[2].replace(",", "")))
        for match in _SUM.finditer(path.read_text(encoding="utf-8"))
        if re.search(r"\d [-+*/] [\d(]", match[1])
    ]


def _value(text: str) -> float:
    return float(eval(text, {"__builtins__": {}}))  # digits, brackets and operators only


def unlike(actual: Any, shown: Any, path: str = "") -> list[str]:
    """Where an answer is not what is shown of it."""
    name = path.rpartition(".")[2]
    if shown == ANYTHING or name in VOLATILE:
        return []
    if isinstance(shown, dict) and isinstance(actual, dict):
        return [
            line
            for key, value in shown.items()
            if key != ANYTHING
            for line in (
                unlike(actual[key], value, f"{path}.{key}")
                if key in actual
                else [f"{path}.{key}: absent"]
            )
        ]
    if isinstance(shown, list) and isinstance(actual, list):
        goes_on = bool(shown) and shown[-1] == ANYTHING
        wanted = shown[:-1] if goes_on else shown
        if len(actual) < len(wanted) or (len(actual) > len(wanted) and not goes_on):
            return [f"{path}: {len(actual)} items, not {len(wanted)}"]
        pairs = enumerate(zip(actual, wanted, strict=False))
        return [line for at, (a, w) in pairs for line in unlike(a, w, f"{path}[{at}]")]
    is_same = actual == shown and isinstance(actual, bool) is isinstance(shown, bool)
    return [] if is_same else [f"{path}: {actual!r}, not {shown!r}"]
