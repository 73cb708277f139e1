"""Receipts applied to the messages they are of, and what that changes in the messages' cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from streams.core.columns import Ints
from streams.core.history import Entry, History, Outcome, own_entries, then, with_outcomes
from streams.core.message import Messages
from streams.core.recent import MessageTable


class Changes(NamedTuple):
    """Messages before and after each receipt that changed their outcome.

    `receipts` are the places of these among the receipts; `kept` is how many said something new.
    """

    receipts: Ints
    before: Messages
    after: Messages
    kept: int


def apply_receipts(table: MessageTable, rows: Ints, entries: Sequence[Entry]) -> Changes:
    """Apply receipts, in order of position, to the messages in these rows of `table`.

    A receipt that was applied before a restart gives the same change again, which the cells that
    have it leave out. One that lies before its message was counted with the message.
    """
    histories = _histories(table, rows)
    places: list[int] = []
    before: list[Outcome] = []
    after: list[Outcome] = []
    grown: dict[int, History] = {}
    kept = 0
    for place, (row, entry) in enumerate(zip(rows.tolist(), entries, strict=True)):
        history = histories[row]
        if entry.position < history.own_position:
            continue
        earlier = history.until(entry.position)
        if not earlier.would_keep(entry):
            continue
        kept += 1
        outcome = earlier.outcome
        if earlier is history:
            now = then(outcome, entry, history.own_position)
            history.append(entry, now)
            grown[row] = history
        else:
            entry = next((e for e in history.entries if e.position == entry.position), entry)
            now = then(outcome, entry, history.own_position)
        if now != outcome:
            places.append(place)
            before.append(outcome)
            after.append(now)
    _put(table, grown)
    chosen = np.array(places, np.int64)
    changed = table.gather(rows[chosen])
    return Changes(chosen, with_outcomes(changed, before), with_outcomes(changed, after), kept)


def as_of(table: MessageTable, rows: Ints, positions: Ints) -> Messages:
    """The messages in these rows as they were right after each position."""
    messages = table.gather(rows)
    places, outcomes = [], []
    for place in np.flatnonzero(table.have_history(rows)).tolist():
        history = table.histories[table.sid(int(rows[place]))]
        places.append(place)
        outcomes.append(history.until(int(positions[place]) + 1).outcome)
    if places:
        messages[places] = with_outcomes(messages[places], outcomes)
    return messages


def _histories(table: MessageTable, rows: Ints) -> dict[int, History]:
    """The history of each row, made of the row itself where it has only its own entry."""
    distinct = np.unique(rows)
    has_one = table.have_history(distinct)
    found = {row: table.histories[table.sid(row)] for row in distinct[has_one].tolist()}
    alone = distinct[~has_one]
    own = own_entries(table.gather(alone))
    for row, entry in zip(alone.tolist(), own, strict=True):
        found[row] = History(entry.position, [entry])
    return found


def _put(table: MessageTable, grown: dict[int, History]) -> None:
    """Take note of histories that have grown, and of the states that they come to."""
    if not grown:
        return
    rows = np.array(list(grown), np.int64)
    messages = with_outcomes(table.gather(rows), [history.outcome for history in grown.values()])
    messages["version"] = [history.entries[-1].position for history in grown.values()]
    table.replace(rows, messages, list(grown.values()))
