"""Pages for administrators: the audit log, and the users that are known."""

from __future__ import annotations

from query_api import questions
from query_api.at_once import at_once
from query_api.cursor import CursorSigner
from query_api.measures import usd
from query_api.parameters import AuditParameters, UserSearchParameters
from query_api.period import LATEST, instant_ms
from query_api.questions import Asker, AuditFilter, Row
from query_api.zones import utc
from schemas.api.admin import AuditEntry, AuditPage, KnownUser, UserPage
from schemas.phones import phone_hash

_FIRST_PAGE = (float(LATEST * 1000), "")


async def audit_page(
    asker: Asker, parameters: AuditParameters, signer: CursorSigner, now: float
) -> AuditPage:
    """One page of the audit log."""
    asked = f"audit {parameters.asked()}"
    after = signer.after(parameters.cursor, asked) if parameters.cursor is not None else _FIRST_PAGE
    wanted = AuditFilter(
        from_ms=instant_ms("from", parameters.from_) if parameters.from_ is not None else 0,
        to_ms=instant_ms("to", parameters.to) if parameters.to is not None else LATEST * 1000,
        actor_id=parameters.actor_id,
        subject_id=parameters.subject_id,
        decision=parameters.decision or "",
        after_ms=int(after[0]),
        after_id=str(after[1]),
        rows=parameters.limit + 1,
    )
    rows = await questions.audit_entries(asker, wanted)
    visible = rows[: parameters.limit]
    cursor = None
    if len(rows) > parameters.limit:
        cursor = signer.cursor(visible[-1]["at_ms"], visible[-1]["entry_id"], asked)
    entries = [_entry(row) for row in visible]
    return AuditPage(entries=entries, next_cursor=cursor, generated_at=utc(now))


def _entry(row: Row) -> AuditEntry:
    same = ("entry_id", "request_id", "roles", "method", "route", "decision", "status")
    return AuditEntry(
        at=utc(row["at_ms"] / 1000),
        actor_id=row["actor_id"] or None,
        subject_id=row["subject_id"] or None,
        **{name: row[name] for name in same},
    )


async def user_page(
    asker: Asker,
    parameters: UserSearchParameters,
    signer: CursorSigner,
    privacy_key: str,
    now: float,
) -> UserPage:
    """One page of the users, all or those that a number or id leads to."""
    asked = f"users {parameters.asked()}"
    after = None
    if parameters.cursor is not None:
        day, user_id = signer.after(parameters.cursor, asked)
        after = (int(day), int(user_id))
    users = await _searched(asker, parameters, privacy_key)
    rows = await questions.known_users(asker, users, after, parameters.limit + 1)
    visible = rows[: parameters.limit]
    ids = [row["user_id"] for row in visible]
    phones, withdrawn = await at_once(
        questions.phones_of_users(asker, ids), questions.users_without_consent(asker, ids)
    )
    hashes = {row["user_id"]: row["phone_hashes"] for row in phones}
    without = {row["user_id"] for row in withdrawn}
    cursor = None
    if len(rows) > parameters.limit:
        cursor = signer.cursor(visible[-1]["last_day"], visible[-1]["user_id"], asked)
    return UserPage(
        users=[
            _user(row, hashes.get(row["user_id"], []), row["user_id"] not in without)
            for row in visible
        ],
        next_cursor=cursor,
        generated_at=utc(now),
    )


async def _searched(
    asker: Asker, parameters: UserSearchParameters, privacy_key: str
) -> list[int] | None:
    """The users that are searched for; None for all."""
    if parameters.user_id is not None:
        return [parameters.user_id]
    if parameters.phone_number is not None:
        hashed = phone_hash(parameters.phone_number, privacy_key)
        return [row["user_id"] for row in await questions.users_of_phone(asker, hashed)]
    return None


def _user(row: Row, phone_hashes: list[int], has_consent: bool) -> KnownUser:
    return KnownUser(
        user_id=row["user_id"],
        messages=row["messages"],
        cost_usd=usd(row["cost_micros"]),
        cost_micros=row["cost_micros"],
        first_day=utc(row["first_day"]).date(),
        last_day=utc(row["last_day"]).date(),
        analytics_consent=has_consent,
        phone_hashes=[f"{value:016x}" for value in phone_hashes],
    )
