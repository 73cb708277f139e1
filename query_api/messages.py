"""The usage log of one user: which page is asked for, and its rows as an answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from query_api import questions
from query_api.breakdown import cost_micros, error_name
from query_api.cursor import CursorSigner
from query_api.errors import NotFoundError
from query_api.freshness import freshness
from query_api.measures import usd
from query_api.parameters import MessageParameters
from query_api.period import LATEST, instant_ms
from query_api.questions import Asker, MessageFilter, Row
from query_api.zones import DAY_S, utc
from schemas.api.messages import LoggedMessage, MessageDetail, MessagePage, TimelineEntry
from schemas.statuses import STATUSES

_US_PER_MS = 1000
_FIRST_PAGE = (float(LATEST * 1000), "")


@dataclass(frozen=True)
class Search:
    """`filter` is what to query: one row more than `limit` tells whether another page follows."""

    user_id: int
    filter: MessageFilter
    limit: int
    asked: str


def search_of(
    user_id: int, parameters: MessageParameters, signer: CursorSigner, now: float, retention: int
) -> Search:
    """What a user's parameters ask for at `now`; raises `InvalidParametersError`.

    Without `from` it is as far back as `retention` days.
    """
    asked = f"messages of {user_id} {parameters.asked()}"
    after_ms, after_sid = (
        signer.after(parameters.cursor, asked) if parameters.cursor is not None else _FIRST_PAGE
    )
    since = parameters.from_
    wanted = MessageFilter(
        from_ms=instant_ms("from", since)
        if since is not None
        else int(now - retention * DAY_S) * 1000,
        to_ms=instant_ms("to", parameters.to) if parameters.to is not None else LATEST * 1000,
        direction=parameters.direction or "",
        status=parameters.status or "",
        country=parameters.country or "",
        error_code=parameters.error_code,
        after_ms=int(after_ms),
        after_sid=str(after_sid),
        rows=parameters.limit + 1,
    )
    return Search(user_id, wanted, parameters.limit, asked)


async def message_page(
    asker: Asker, search: Search, signer: CursorSigner, now: float
) -> MessagePage:
    """One page of a user's messages."""
    fresh = freshness(await questions.source_progress(asker))
    rows = await questions.user_messages(asker, search.user_id, search.filter)
    visible = rows[: search.limit]
    cursor = None
    if len(rows) > search.limit:
        last = visible[-1]
        cursor = signer.cursor(last["occurred_ms"], last["message_sid"], search.asked)
    return MessagePage(
        user_id=search.user_id,
        messages=[LoggedMessage(**_fields(row)) for row in visible],
        next_cursor=cursor,
        generated_at=utc(now),
        data_as_of=fresh.data_as_of,
    )


async def message_detail(asker: Asker, user_id: int, message_sid: str, now: float) -> MessageDetail:
    """One message of a user; raises `NotFoundError` also where it is another user's."""
    fresh = freshness(await questions.source_progress(asker))
    rows = await questions.user_message(asker, user_id, message_sid)
    if not rows:
        raise NotFoundError("You have no message with this sid.")
    return MessageDetail(
        **_fields(rows[0]),
        user_id=user_id,
        timeline=_timeline(rows[0]),
        generated_at=utc(now),
        data_as_of=fresh.data_as_of,
    )


def _fields(row: Row) -> dict[str, object]:
    """The fields of a `LoggedMessage`."""
    name = error_name(row["error_code"])
    cost, processing = cost_micros(row), row["processing_us"]
    encoding, counterparty = row["encoding"], row["counterparty_hash"]
    same = (
        "message_sid", "direction", "message_type", "status", "error_code", "segments",
        "non_gsm_characters", "num_media", "body_length", "latency_ms", "cost_source",
        "rate_origin", "carrier_fee_micros", "failed_fee_micros", "provisional_micros",
    )  # fmt: skip
    return {field: row[field] for field in same} | {
        "occurred_at": utc(row["occurred_ms"] / 1000),
        "error_description": name.description if name else None,
        "error_class": name.error_class if name else None,
        "country_code": row["country"],
        "counterparty_hash": f"{counterparty:016x}" if counterparty else None,
        "mcc_mnc": row["mcc_mnc"] or None,
        "encoding": None if encoding == "unknown" else encoding,
        "processing_time_ms": None if processing is None else processing / _US_PER_MS,
        "cost_usd": usd(cost),
        "cost_micros": cost,
    }


def _timeline(row: Row) -> list[TimelineEntry]:
    if not row["history_at_ms"]:
        # A canceled message costs nothing, whatever was charged for it.
        is_charged = row["cost_source"] == "provider" and row["status"] != "canceled"
        price = row["base_micros"] if is_charged else None
        return [_entry(row["occurred_ms"], row["status"], row["error_code"], price)]
    columns = ("history_at_ms", "history_status", "history_error_code", "history_price_micros")
    entries: Iterable[tuple[int, int, int | None, int | None]]
    entries = zip(*(row[column] for column in columns), strict=True)
    return [
        _entry(at_ms, STATUSES[code - 1], error_code, price)
        for at_ms, code, error_code, price in sorted(entries, key=lambda entry: entry[0])
    ]


def _entry(at_ms: int, status: str, error_code: int | None, price: int | None) -> TimelineEntry:
    name = error_name(error_code)
    return TimelineEntry(
        at=utc(at_ms / 1000),
        status=status,
        error_code=error_code,
        error_description=name.description if name else None,
        error_class=name.error_class if name else None,
        price_usd=None if price is None else usd(price),
        price_micros=price,
    )
