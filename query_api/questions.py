"""The SQL questions as functions: name = file name in `sql/` = metric label.

Each returns the file's rows as they come, if it says nothing else; what they mean stands on top of
the file. No text is ever put into SQL: parameters are typed and bound by the server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, Protocol

import numpy as np

from query_api.zones import DAY_S, LocalClock
from schemas.native_answers import Column
from schemas.units import source_epoch

Row = Mapping[str, Any]
"""One row of an answer: column name to value."""
Rows = Sequence[Row]
Columns = Sequence[Column]
"""The columns of an answer; none where it has no row."""

ErasedBefore = Mapping[int, int]
"""By source: the position before which everything of a user is erased."""

UserTable = Literal["user_usage_15m", "user_usage_1d"]
SystemTable = Literal["system_usage_15m", "system_usage_1d"]
Span = tuple[int, int]
"""A range of time, [start, end) in epoch seconds."""
Order = Literal["messages", "segments", "cost_usd", "success_rate"]


_ONE = "-- one: "


class Asker(Protocol):
    """What runs SQL: `ClickHousePool`, or a test's."""

    async def ask(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Rows: ...


class ColumnAsker(Asker, Protocol):
    """An `Asker` that also gives answers as columns, for many numbers."""

    async def columns(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Columns: ...


@cache
def sql_of(question: str, *without: str, is_about_one: bool = False) -> str:
    """The text of `sql/<question>.sql`, `without` the lines that end in one of some comments: what
    an answer does not need takes up to a fifth of a query's time (decision 30). About one user with
    the lines that are for one: he is compared, and grouping by him would only take time.

    No comment goes to ClickHouse with every query, and through its client, which looks at every
    word.
    """
    if is_about_one:
        without = ("-- owner", *without)
    text = files("query_api").joinpath("sql", f"{question}.sql").read_text(encoding="utf-8")
    lines = (line.removeprefix(_ONE) if is_about_one else line for line in text.splitlines())
    kept = (line for line in lines if not line.lstrip().startswith("--"))
    return "\n".join(line.partition(" -- ")[0] for line in kept if not line.endswith(without))


@dataclass(frozen=True)
class Page:
    """Which page of `user_comparison`: behind the row with `after_key`, `after_user`."""

    order_by: Order
    sign: Literal[1, -1]
    rows: int
    after: tuple[float, int] | None = None


@dataclass(frozen=True)
class MessageFilter:
    """Which messages of `user_messages`: times in epoch ms, an empty text or None is any."""

    from_ms: int
    to_ms: int
    direction: str
    status: str
    country: str
    error_code: int | None
    after_ms: int
    after_sid: str
    rows: int


@dataclass(frozen=True)
class AuditFilter:
    """Which entries of `audit_entries`: times in epoch ms, None or an empty text is any."""

    from_ms: int
    to_ms: int
    actor_id: int | None
    subject_id: int | None
    decision: str
    after_ms: int
    after_id: str
    rows: int


async def user_cells(
    asker: ColumnAsker,
    table: UserTable,
    users: Mapping[int, ErasedBefore],
    span: Span,
    also: Span | None = None,
    *,
    with_times: bool = True,
) -> Columns:
    """The cells of some users in one or two ranges of time, from one of the tables; with the
    histograms of their processing times, or without."""
    asked = {"cells": table, "start": span[0], "end": span[1]}
    without = () if with_times else ("-- times",)
    if also:
        asked |= {"also_start": also[0], "also_end": also[1]}
    else:
        without = ("-- also", *without)
    return await _about(asker, "user_cells", users, asked, *without)


async def user_slots(
    asker: ColumnAsker,
    users: Mapping[int, ErasedBefore],
    start: int,
    end: int,
    width: int,
    fine_days: Sequence[int],
) -> Columns:
    """Some users' totals by slot of UTC time, of `width` seconds, or of 900 in `fine_days`."""
    asked = {"start": start, "end": end, "width": width, "fine_days": list(fine_days)}
    return await _about(asker, "user_slots", users, asked)


async def user_counterparties(
    asker: ColumnAsker,
    users: Mapping[int, ErasedBefore],
    start: int,
    end: int,
    cut: int,
    today: int,
) -> Columns:
    """What became of some users' messages, and what they could have cost less, by counterparty,
    and by the part of time: before `cut`, before `today`, and since."""
    asked = {"start": start, "end": end, "cut": cut, "today": today}
    return await _about(asker, "user_counterparties", users, asked)


async def system_slots(
    asker: ColumnAsker, start: int, end: int, width: int, fine_days: Sequence[int]
) -> Columns:
    """The system's totals by slot of UTC time, of `width` seconds, or of 900 in `fine_days`."""
    asked = {"start": start, "end": end, "width": width, "fine_days": list(fine_days)}
    return await asker.columns("system_slots", sql_of("system_slots"), asked)


async def system_live(asker: Asker, clock: LocalClock) -> Rows:
    """The system's last minutes by hour of the local day."""
    return await _ask(asker, "system_live", _clocked(clock))


async def system_breakdown(asker: Asker, table: SystemTable, start: int, end: int) -> Rows:
    """The system's counters by direction, type and country, from one of the tables."""
    return await _ask(asker, "system_breakdown", {"cells": table, "start": start, "end": end})


async def active_users(asker: Asker, start: int, end: int) -> Rows:
    """How many known users have messages."""
    return await _ask(asker, "active_users", with_whole_days(start, end))


async def user_comparison(
    asker: Asker, start: int, end: int, page: Page, top: int, *, has_erased: bool = True
) -> Rows:
    """One page of the users side by side, and the `top` who cost most; where nothing of anybody is
    erased, no row is looked at for it, which takes a fifth less."""
    after_key, after_user = page.after or (0.0, 0)
    asked = {
        "order_by": page.order_by,
        "sign": page.sign,
        "is_first": int(page.after is None),
        "after_key": after_key,
        "after_user": after_user,
        "page_rows": page.rows,
        "top_rows": top,
    }
    asked |= with_whole_days(start, end)
    sql = sql_of("user_comparison", *(() if has_erased else ("-- erased",)))
    return await asker.ask("user_comparison", sql, asked)


async def user_messages(asker: Asker, user_id: int, wanted: MessageFilter) -> Rows:
    """One page of one user's messages, newest first."""
    asked = {
        "user_id": user_id,
        "from_ms": wanted.from_ms,
        "to_ms": wanted.to_ms,
        "direction": wanted.direction,
        "status": wanted.status,
        "country": wanted.country,
        "is_any_error": int(wanted.error_code is None),
        "error_code": wanted.error_code or 0,
        "after_ms": wanted.after_ms,
        "after_sid": wanted.after_sid,
        "page_rows": wanted.rows,
    }
    return await _ask(asker, "user_messages", asked)


async def user_message(asker: Asker, user_id: int, message_sid: str) -> Rows:
    """One message of one user with its history."""
    return await _ask(asker, "user_message", {"user_id": user_id, "message_sid": message_sid})


async def audit_entries(asker: Asker, wanted: AuditFilter) -> Rows:
    """One page of the audit log, newest first."""
    asked = {
        "from_ms": wanted.from_ms,
        "to_ms": wanted.to_ms,
        "is_any_actor": int(wanted.actor_id is None),
        "actor_id": wanted.actor_id or 0,
        "is_any_subject": int(wanted.subject_id is None),
        "subject_id": wanted.subject_id or 0,
        "decision": wanted.decision,
        "after_ms": wanted.after_ms,
        "after_id": wanted.after_id,
        "page_rows": wanted.rows,
    }
    return await _ask(asker, "audit_entries", asked)


async def known_users(
    asker: Asker, users: Sequence[int] | None, after: tuple[int, int] | None, rows: int
) -> Rows:
    """One page of the users with usage: all (None), or some; behind (last_day, user_id)."""
    after_day, after_user = after or (0, 0)
    asked = {
        "is_any_user": int(users is None),
        "users": list(users or ()),
        "is_first": int(after is None),
        "after_day": after_day,
        "after_user": after_user,
        "page_rows": rows,
    }
    return await _ask(asker, "known_users", asked)


async def users_of_phone(asker: Asker, phone_hash: int) -> Rows:
    """Which users a phone number's messages were counted for."""
    return await _ask(asker, "users_of_phone", {"phone_hash": phone_hash})


async def phones_of_users(asker: Asker, users: Sequence[int]) -> Rows:
    """The hashes of users' own numbers."""
    return await _ask(asker, "phones_of_users", {"users": list(users)})


async def user_stamps(asker: Asker, users: Sequence[int]) -> Rows:
    """How far users' totals have come, by source."""
    return await _ask(asker, "user_stamps", {"users": list(users)})


async def system_stamps(asker: Asker, before: int) -> Rows:
    """How far the system's totals of before a UTC midnight have come, by source."""
    return await _ask(asker, "system_stamps", {"before": before})


async def changed_users(asker: Asker, since: Mapping[int, int], rows: int) -> Rows:
    """Whose totals changed, by day: of each source the events from a position on."""
    asked = {
        "sources": list(since),
        "positions": list(since.values()),
        "least": min(since.values()),
        "page_rows": rows,
    }
    return await _ask(asker, "changed_users", asked)


async def users_without_consent(asker: Asker, users: Sequence[int]) -> Rows:
    """Which of these users have withdrawn their consent."""
    return await _ask(asker, "users_without_consent", {"users": list(users)})


async def erased_users(asker: Asker, since_ms: int) -> Rows:
    """What is not to be shown of users, of those whose erasures changed since."""
    return await _ask(asker, "erased_users", {"since_ms": since_ms})


async def erasures_of_user(asker: Asker, user_id: int) -> Rows:
    """One user's requests for erasure, and what came of them."""
    return await _ask(asker, "erasures_of_user", {"user_id": user_id})


async def user_consent(asker: Asker, user_id: int) -> Rows:
    """What one user decided last about the analysis of his messages."""
    return await _ask(asker, "user_consent", {"user_id": user_id})


async def source_progress(asker: Asker) -> Rows:
    """How far each source of the newest epoch is in the tables, in order."""
    rows = await _ask(asker, "source_progress", {})
    newest = max((source_epoch(row["source"]) for row in rows), default=0)
    own = (row for row in rows if source_epoch(row["source"]) == newest)
    return sorted(own, key=lambda row: row["source"])


async def consents_of_user(asker: Asker, user_id: int) -> Rows:
    """Everything that one user ever decided."""
    return await _ask(asker, "consents_of_user", {"user_id": user_id})


async def user_daily_report(asker: Asker, user_id: int, clock: LocalClock) -> Rows:
    """One user's totals by local day."""
    return await _ask(asker, "user_daily_report", {"user_id": user_id} | _clocked(clock))


async def known_sources(asker: Asker) -> Rows:
    """Every source that rows may carry."""
    return await _ask(asker, "known_sources", {})


async def worker_attempts(asker: Asker, least: int) -> Rows:
    """The positions that were tried at least so often."""
    return await _ask(asker, "worker_attempts", {"least": least})


async def rate_card_updates(asker: Asker) -> Rows:
    """When the rate card was last changed, and how the last fetch of prices ended."""
    return await _ask(asker, "rate_card_updates", {})


async def applied_migrations(asker: Asker) -> Rows:
    """The migrations that the database has."""
    return await _ask(asker, "applied_migrations", {})


async def _ask(asker: Asker, question: str, parameters: Mapping[str, Any]) -> Rows:
    return await asker.ask(question, sql_of(question), parameters)


async def _about(
    asker: ColumnAsker,
    question: str,
    users: Mapping[int, ErasedBefore],
    asked: Mapping[str, Any],
    *without: str,
) -> Columns:
    """A question about some users, of each what is after his erasure; `without` some lines."""
    is_about_one = len(users) == 1
    parameters = dict(asked)
    if is_about_one:
        parameters["user"] = next(iter(users))
    else:
        parameters["users"] = list(users)
    if any(users.values()):
        erased = {user: map_of(own) for user, own in users.items() if own}
        parameters["erased_before"] = map_of(erased)
    else:
        without = ("-- erased", *without)
    sql = sql_of(question, *without, is_about_one=is_about_one)
    found = await asker.columns(question, sql, parameters)
    if is_about_one and found:
        return [np.full(len(found[0]), parameters["user"], np.uint64), *found]
    return found


def map_of(entries: Mapping[int, int | str]) -> str:
    """A parameter of a Map type, which has no literal but a text; a text is a value as it is."""
    pairs = (f"{int(key)}:{value}" for key, value in entries.items())
    return "{" + ",".join(pairs) + "}"


def _clocked(clock: LocalClock) -> dict[str, Any]:
    return {
        "start": clock.start,
        "end": clock.end,
        "clock_starts": list(clock.starts),
        "clock_offsets": list(clock.offsets),
    }


def with_whole_days(start: int, end: int) -> dict[str, int]:
    """The range of a question, and the whole UTC days in it."""
    first, last = whole_days(start, end)
    return {"start": start, "end": end, "days_start": first, "days_end": last}


def whole_days(start: int, end: int) -> tuple[int, int]:
    """The whole UTC days in a range; where there are none they begin and end at its end."""
    first, last = -(-start // DAY_S) * DAY_S, end // DAY_S * DAY_S
    return (first, last) if first < last else (end, end)
